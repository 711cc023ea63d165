package journal

import (
	"os"
	"syscall"
)

// syncData is fdatasync: it leaves out the times of the file, so that a sync after an append that did not grow the
// file by a block costs one write less. The size is brought along where it is needed to find the bytes.
func syncData(f *os.File) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var e error
	err = c.Control(func(fd uintptr) {
		for {
			if e = syscall.Fdatasync(int(fd)); e != syscall.EINTR {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return os.NewSyscallError("fdatasync", e)
}
