# Runs the tests of hawkular-client-python, whose source is in FOLDER, against a server. It prints JSON: which of them
# passed, and why others did not.
#
#   python3 hawkularpy.py FOLDER HOST PORT ADMINTOKEN
import json
import sys
import unittest
import warnings

folder, host, port, token = sys.argv[1:]
sys.path.insert(0, folder)
warnings.simplefilter("ignore")
from tests import test_metrics  # noqa: E402

client = test_metrics.HawkularMetricsClient


def elsewhere(**options):
    """The client of the tests, which ask for a server on port 8080."""
    if options.get("port") == 8080:
        options.update(host=host, port=int(port), authtoken=token)
    return client(**options)


test_metrics.HawkularMetricsClient = elsewhere


class Result(unittest.TestResult):
    passed = {}
    said = ""

    def startTest(self, test):
        super().startTest(test)
        self.passed[test.id().rpartition(".")[2]] = True

    def say(self, test, err):
        self.passed[test.id().rpartition(".")[2]] = False
        Result.said += "%s: %s\n" % (test.id(), err[1])

    addError = addFailure = say


suite = unittest.defaultTestLoader.loadTestsFromModule(test_metrics)
suite.run(Result())
print(json.dumps({"Passed": Result.passed, "Said": Result.said}))
