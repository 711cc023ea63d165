package edge

import (
	"log/slog"
	"net/http"
	"time"
)

// ServerOptions are the limits of the HTTP server against slow and large requests. A zero takes the default; a negative
// duration means none.
type ServerOptions struct {
	Header   time.Duration // until the header of a request has come; 10 s
	Read     time.Duration // until the whole request has come; 30 s
	Write    time.Duration // from the end of the request's header until the answer is out; 60 s
	Idle     time.Duration // between two requests of a connection; 120 s
	MaxBytes int           // of a request's header; 64 KiB
	Logger   *slog.Logger  // nil: slog.Default
}

// NewServer makes an HTTP server with these limits.
func NewServer(h http.Handler, o ServerOptions) *http.Server {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 64 << 10
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: timeout(o.Header, 10*time.Second),
		ReadTimeout:       timeout(o.Read, 30*time.Second),
		WriteTimeout:      timeout(o.Write, 60*time.Second),
		IdleTimeout:       timeout(o.Idle, 120*time.Second),
		MaxHeaderBytes:    o.MaxBytes,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
}

func timeout(d, def time.Duration) time.Duration {
	switch {
	case d == 0:
		return def
	case d < 0:
		return 0
	}
	return d
}
