//go:build unix

package model

import "syscall"

func makePipe(path string) error { return syscall.Mkfifo(path, 0o666) }
