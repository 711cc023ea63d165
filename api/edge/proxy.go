package edge

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the networks of the proxies whose word counts.
type Proxies []netip.Prefix

// Loopback is this machine: who is trusted as a proxy where nothing else is said.
var Loopback = Proxies{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// Trust says whether the other end of a connection, host:port, is one of the proxies.
func (p Proxies) Trust(remote string) bool { return p.contains(addressOf(remote)) }

func (p Proxies) contains(ip netip.Addr) bool {
	return ip.IsValid() && slices.ContainsFunc(p, func(net netip.Prefix) bool { return net.Contains(ip) })
}

// addressOf is the address of host:port in the form in which addresses are compared; the zero value if there is none.
func addressOf(remote string) netip.Addr {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return plain(at.Addr())
}

func plain(ip netip.Addr) netip.Addr { return ip.Unmap().WithZone("") }

// forwarded are the header fields by which proxies say for whom they ask.
var forwarded = []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip"}

// Client is the address that a request comes from. Where a trusted proxy hands it on, that is the last one in
// X-Forwarded-For which is no trusted proxy itself: what stands before it is what the client says. The zero value is an
// address that cannot be read.
func (p Proxies) Client(r *http.Request) netip.Addr {
	ip := addressOf(r.RemoteAddr)
	lists := r.Header["X-Forwarded-For"]
	if len(lists) == 0 || !p.contains(ip) {
		return ip
	}
	for _, list := range slices.Backward(lists) {
		for list != "" {
			at := strings.LastIndexByte(list, ',')
			text := strings.TrimSpace(list[at+1:])
			list = list[:max(at, 0)]
			next, err := netip.ParseAddr(text)
			if err != nil {
				if next = addressOf(text); !next.IsValid() {
					return ip // what a proxy could not read; the proxy is as near as we get
				}
			}
			if ip = plain(next); !p.contains(ip) {
				return ip
			}
		}
	}
	return ip
}

// Here says whether a request comes from this machine. What a proxy on this machine hands on does not, nor does what a browser on
// it sends for a page of somewhere else: such a page can give its own name the address of this machine, and to the browser
// the service is then the page's own.
func Here(r *http.Request) bool {
	for _, name := range forwarded {
		if len(r.Header[name]) > 0 {
			return false
		}
	}
	return addressOf(r.RemoteAddr).IsLoopback() && private(r.Host)
}

// private says whether a host, which may have a port, is an address or a name that nobody outside can own.
func private(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost")
}
