package edge

import (
	"io"
	"log/slog"
	"net/http"

	"github.com/klauspost/compress/gzip"

	"granary/tenant/queue"
)

// StreamFrom is the size in bytes up to which a Stream holds an answer back, so that a small one goes out like any other and
// can still become an error.
const StreamFrom = 256 << 10

// Stream is an answer that goes out while it is being made. Bytes are appended to B; Flush sends them when there are enough.
// A Stream is for one goroutine.
type Stream struct {
	B []byte
	// Ticket, if not nil, steps aside while a part is sent: a client that does not take its answer keeps nobody waiting.
	Ticket *queue.Ticket

	compress    Compress
	w           http.ResponseWriter
	r           *http.Request
	contentType string
	buffer      *Buffer
	gzip        *gzip.Writer
	started     bool
	err         error
}

// Stream begins an answer. Nothing is sent yet.
func (c Compress) Stream(w http.ResponseWriter, r *http.Request, contentType string) *Stream {
	s := &Stream{compress: c, w: w, r: r, contentType: contentType, buffer: NewBuffer()}
	s.B = s.buffer.B
	return s
}

// Started says whether a part of the answer has been sent, so that it cannot become another one.
func (s *Stream) Started() bool { return s.started }

// Flush sends what has been gathered, if that is much. The error is that of the connection.
func (s *Stream) Flush() error {
	if s.err != nil || len(s.B) < StreamFrom {
		return s.err
	}
	if !s.started {
		s.started = true
		h := s.w.Header()
		h["Content-Type"] = []string{s.contentType}
		if s.compress.level() != CompressOff {
			vary(h, "Accept-Encoding")
			if AcceptsGzip(s.r) {
				h["Content-Encoding"] = []string{"gzip"}
				s.gzip = s.compress.gzipTo(s.w)
			}
		}
		s.w.WriteHeader(http.StatusOK)
	}
	s.send()
	return s.err
}

func (s *Stream) send() {
	out := io.Writer(s.w)
	switch {
	case s.r.Method == http.MethodHead:
		out = io.Discard
	case s.gzip != nil:
		out = s.gzip
	}
	if s.err == nil {
		s.Ticket.StepAside()
		_, s.err = out.Write(s.B)
		s.Ticket.StepBack()
	}
	s.B = s.B[:0]
}

// End sends what is left. An answer of which nothing has been sent goes out as a whole, with its length.
func (s *Stream) End() error {
	if !s.started {
		s.compress.Answer(s.w, s.r, http.StatusOK, s.contentType, s.B)
		return nil
	}
	s.send()
	if s.gzip != nil && s.err == nil {
		s.err = s.gzip.Close()
	}
	return s.err
}

// Finish ends an answer. An error that came before anything was sent is returned, to become the answer. One that came behind that can
// only break the answer off: the connection ends before the answer says so; if it is internal, and the client is still there, it is logged.
func (s *Stream) Finish(err error, logger *slog.Logger, dialect string) error {
	if err != nil && !s.started {
		return err
	}
	if err != nil && KindOf(err) == Internal && s.r.Context().Err() == nil {
		logger.Error("request failed behind the beginning of its answer", "dialect", dialect, "path", s.r.URL.Path, "error", err)
	}
	if err != nil || s.End() != nil { // in the second case the client has gone
		panic(http.ErrAbortHandler)
	}
	return nil
}

// Free gives the memory back, whether the answer has ended or not.
func (s *Stream) Free() {
	if s.gzip != nil {
		s.gzip.Reset(io.Discard)
		gzipWriters[s.compress.level()].Put(s.gzip)
		s.gzip = nil
	}
	s.buffer.B = s.B
	s.buffer.Free()
	s.B = nil
}
