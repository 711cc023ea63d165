# In the place of a library that the tests of the client for Ruby load and need not have: it counts what they cover.
module Coveralls
  def self.wear!; end
end
