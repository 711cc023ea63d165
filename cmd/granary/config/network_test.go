package config

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestTrustedProxies(t *testing.T) {
	for text, want := range map[string][]string{
		`[]`:                                   {},
		`["10.1.2.3/8"]`:                       {"10.0.0.0/8"},
		`["192.0.2.1", "2001:db8::1", "::/0"]`: {"192.0.2.1/32", "2001:db8::1/128", "::/0"},
		`"10.0.0.0/8"`:                         nil,
		`[10]`:                                 nil,
		`["10.0.0.0/33"]`:                      nil,
		`["proxy.example.org"]`:                nil,
		`["fe80::1%eth0"]`:                     nil,
		`[""]`:                                 nil,
	} {
		c, _, err := load(t, files{"config.json": `{"granary":{"trusted-proxies":` + text + `}}`}, Overrides{})
		if want == nil {
			if err == nil || !strings.Contains(err.Error(), "granary.trusted-proxies: expected a list of networks") {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		prefixes := []netip.Prefix{}
		for _, w := range want {
			prefixes = append(prefixes, netip.MustParsePrefix(w))
		}
		if !slices.Equal(c.TrustedProxies, prefixes) {
			t.Errorf("%s: %v", text, c.TrustedProxies)
		}
	}
}

func TestOrigins(t *testing.T) {
	for text, ok := range map[string]bool{
		`[]`: true, `["*"]`: true, `["https://a.example.org", "http://localhost:3000"]`: true,
		`"*"`: true, `"https://a.example.org"`: true, `""`: false, `{}`: false, `7`: false, `"a.example.org"`: false,
		`["a.example.org"]`: false, `["https://a.example.org/"]`: false, `["https://a.example.org/x"]`: false, `["ftp://a"]`: false, `["https://u@a"]`: false, `[1]`: false, `["null"]`: false,
	} {
		c, _, err := load(t, files{"config.json": `{"granary":{"cors":{"origins":` + text + `}}}`}, Overrides{})
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "granary.cors.origins: expected a list of origins") {
			t.Errorf("%s: %v", text, err)
		}
		if text == `"*"` && !slices.Equal(c.Origins, []string{"*"}) {
			t.Errorf("%s: %q", text, c.Origins)
		}
	}
}
