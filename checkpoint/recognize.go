package checkpoint

import (
	"bytes"
	"path/filepath"
	"slices"
)

// What often lies where a file of a model should, by its first bytes, and what to do.
var foreign = []struct{ begin, sentence string }{
	{"version https://git-lfs", "a pointer of Git LFS, not the file itself: fetch the file with git lfs pull"},
	{"<!doctype html", htmlPage}, {"<html", htmlPage}, {"<?xml", htmlPage},
	{"\x1f\x8b", "gzip data: unpack it with gunzip"},
	{"PK\x03\x04", "a zip archive, or a file of PyTorch's: unpack it and name the folder, or convert a pickle to safetensors"},
	{"\x80\x02", pickle}, {"\x80\x03", pickle}, {"\x80\x04", pickle}, {"\x80\x05", pickle}, // the opcode PROTO and a protocol
}

const (
	htmlPage = "a web page, not the file itself: the download went wrong; fetch the file by its own address, logged in where that is needed"
	pickle   = "a pickle, which can run code when it is read: convert it to safetensors, for example with save_pretrained of transformers"

	foreignText = 4  // of foreign, from the first, are text that no file of a model begins with; numbers may begin with the others
	foreignHead = 32 // bytes that tell
)

// Foreign says in a sentence what a file is by its first bytes, and what to do, when it is none of a model's text files; "" for others.
func Foreign(head []byte) string { return foreignAmong(head, len(foreign)) }

func foreignAmong(head []byte, n int) string {
	text := bytes.ToLower(bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n"))
	for i, f := range foreign[:n] {
		if i < foreignText && bytes.HasPrefix(text, []byte(f.begin)) || i >= foreignText && bytes.HasPrefix(head, []byte(f.begin)) {
			return f.sentence
		}
	}
	return ""
}

// recognize refuses a file that is something else than its name says.
func (f *File) recognize() error {
	head := make([]byte, min(foreignHead, f.Size))
	if _, err := f.ReadAt(head, 0); err != nil {
		return nil // whoever reads the file says so
	}
	n := foreignText
	switch ext := filepath.Ext(f.Path); {
	case slices.Contains([]string{".txt", ".json", ".index"}, ext), ext == ".safetensors" && (len(head) < 9 || head[8] != '{'):
		n = len(foreign)
	}
	sentence := foreignAmong(head, n)
	if sentence == "" {
		return nil
	}
	return InFile(Refuse(BadMagic, "this is %s", sentence), f.Path)
}
