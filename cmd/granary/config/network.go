package config

import (
	"net/netip"
	"net/url"
)

// networks reads a list of networks; an address alone is a network of one.
func (s *section) networks(key string, dst *[]netip.Prefix) {
	n := s.get(key)
	if n == nil {
		return
	}
	const expected = `a list of networks such as "10.0.0.0/8" or "::1"`
	if n.kind != list {
		s.wrong(n, key, expected)
		return
	}
	out := []netip.Prefix{}
	for _, item := range n.items {
		p, err := netip.ParsePrefix(item.text)
		if err != nil {
			ip, ipErr := netip.ParseAddr(item.text)
			if p, err = netip.PrefixFrom(ip, ip.BitLen()), ipErr; ip.Zone() != "" {
				p = netip.Prefix{}
			}
		}
		if item.kind != text || err != nil || !p.IsValid() {
			s.wrong(item, key, expected)
			return
		}
		out = append(out, p.Masked())
	}
	*dst = out
}

// origins reads a list of origins of web pages; a text alone is a list of one.
func (s *section) origins(key string, dst *[]string) {
	n := s.get(key)
	if n == nil {
		return
	}
	const expected = `a list of origins such as ["https://dash.example.org"], or ["*"]`
	items := n.items
	if n.kind != list {
		items = []*node{n}
	}
	var out []string
	for _, item := range items {
		u, err := url.Parse(item.text)
		// A browser sends no more than these two parts.
		good := err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") && item.text == u.Scheme+"://"+u.Host
		if item.kind != text || !good && item.text != "*" {
			s.wrong(item, key, expected)
			return
		}
		out = append(out, item.text)
	}
	*dst = out
}
