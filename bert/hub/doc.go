// Package hub brings the weights of models onto this machine: Google's releases of 2018 to 2020 from Google's bucket, as zip files, and
// model folders from Hugging Face's hub. Nothing else in this module uses the network, and this package does so only when it is called.
//
//	ref.go         Ref: google:NAME, hf:ORG/NAME@REVISION
//	client.go      Client: endpoints, token, cache; Pull, Update, Folder
//	google.go      Google's releases, and what a pull of one does
//	huggingface.go which files of a repository a model needs, and what a pull of them does
//	transfer.go    one file: cut connections go on, hashes are checked
//	request.go     one request: redirects, tokens, time-outs, what an answer means
//	folder.go      the folder in the making: lock, verification, receipt, its name at last
//	cache.go       folders that are there already, ours and those of huggingface_hub
//
// What comes is untrusted. Each file is compared with the hash that its host names (SHA-256 or git's SHA-1 on the hub, MD5 or CRC32C in
// Google's bucket), weights are read once by their format's reader, and only then does the folder get its name: at no moment is a half
// one there. A pull that was stopped goes on where it was; of two at once the second waits for the first.
package hub
