// Package atomic puts files and folders in place such that a crash, a full disk or a power cut leaves the old one, or none,
// or the new one: never half of one.
//
// The protocol is always: check the free space; write under a temporary name beside the target, NAME.tmp-PID-RANDOM; flush each
// file to the disk; rename; flush the folder that holds the name. WriteFile does it for one file, Files for several that belong
// together (a checkpoint's data, then its index), Folder for a whole folder, which also gets a MANIFEST.json with the length
// and the CRC32C of every file: VerifyFolder tells whether a folder is complete and unharmed. RemoveStale clears what killed
// processes have left, Acquire keeps two processes out of one folder.
//
// All of it goes through FS, so that tests can make every single operation fail.
package atomic
