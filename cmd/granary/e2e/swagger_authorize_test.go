//go:build e2e

package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSwaggerAuthorize puts a token into the page as a person would, with the button Authorize, and tries an operation of a service that
// demands one: refused before, answered after. GRANARY_E2E_SCREENSHOT_AUTHORIZED names a file for a picture of it.
func TestSwaggerAuthorize(t *testing.T) {
	t.Parallel()
	b := browse(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "granary.yaml")
	const text = "granary: {identity: {tokens: [{name: ops, token: static-token-0123456789, roles: [operator]}]}}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serve(t, config, filepath.Join(dir, "data"))
	b.open(p.url + "/swagger/")
	const (
		operation = `document.querySelector("#operations-Keys-readIdentity")`
		status    = `(` + operation + `.querySelector(".live-responses-table .response .response-col_status") || {}).innerText || ""`
		token     = `document.querySelector("input#auth-bearer-value")`
	)
	poll(t, "the operation to be shown", func() bool { return value[bool](b, operation+` !== null`) })
	value[any](b, operation+`.querySelector("button.opblock-summary-control").click()`)
	poll(t, "the operation to unfold", func() bool { return value[bool](b, operation+`.querySelector("button.execute") !== null`) })
	value[any](b, operation+`.querySelector("button.execute").click()`)
	poll(t, "the refusal to be shown", func() bool { return value[string](b, status) == "401" })

	value[any](b, `document.querySelector(".auth-wrapper > button.authorize").click()`)
	poll(t, "the token to be asked for", func() bool { return value[bool](b, token+` !== null`) })
	// The page hears of what is typed, and not of a value that is set by a script.
	value[any](b, token+`.focus()`)
	b.must(b.session, "Input.insertText", object{"text": "static-token-0123456789"}, nil)
	value[any](b, token+`.closest("form").querySelector("button.authorize").click()`)
	poll(t, "the token to be taken", func() bool {
		return value[bool](b, `[...document.querySelectorAll(".auth-container button")].some(b => b.innerText === "Logout")`)
	})
	value[any](b, `document.querySelector(".modal-ux .close-modal").click()`)
	value[any](b, operation+`.querySelector("button.execute").click()`)
	poll(t, "the answer to be shown", func() bool { return value[string](b, status) == "200" })
	if body := value[string](b, operation+`.querySelector(".live-responses-table .highlight-code").innerText`); !strings.Contains(body, `"subject": "ops"`) {
		t.Errorf("the answer is %s", body)
	}
	value[any](b, operation+`.scrollIntoView()`)
	if file := os.Getenv("GRANARY_E2E_SCREENSHOT_AUTHORIZED"); file != "" {
		if err := os.WriteFile(file, b.screenshot(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range b.events("Runtime.exceptionThrown") {
		t.Errorf("the page failed: %s", e)
	}
}
