// Package store keeps the coordinator's records in one file that survives a kill, a power cut and a full disk: small
// values under a bucket and a key, in transactions. What the records mean is their owner's affair.
//
// # What it promises
//
// When Write returns nil, all its entries are on the disk; when it returns an error, none of them is, and the next Write
// works again. The one exception is a disk that fails in the very last step, so that nobody can know: then every Write
// fails until the file is opened anew. A process that dies in a Write leaves the entries of before or of after.
//
// Every entry is sealed: the file holds a digest over all buckets, keys and values, written in the same transaction. So
// an entry that changed, vanished or came back, however the file was hurt, is damage and never a wrong decision. What a
// seal inside the file cannot show is an old copy of the whole file in its place, or a disk that said it had written the
// last page of the last transaction and had not.
//
// Open never fails, panics or hangs because of what is in the file. Before bbolt maps the file into memory, where it
// trusts each byte of it, this package has read every page that bbolt will follow. A damaged file is kept aside beside
// the new one that takes its place, and Damage says so, also after restarts, until a person acknowledges it. There is no
// moment at which a crash could lose the old file or that fact.
//
// Nothing is written while nothing changes: not by Open, not by Close, not by a Write of what the file holds already.
//
// # How bbolt is used
//
// The free list is not written: bbolt finds the free pages at Open, which costs nothing in a small file, so each Write
// saves a page, and no damaged list can make it write over pages in use. Of bbolt's two ways to keep that list in memory
// this is the array, which takes the lowest free pages and so keeps the file small. Pages are 4096 bytes on every kernel,
// also on those with larger ones. A new file gets its first 512 KiB at once: what stays within them needs no
// room later, so a disk that others filled does not stop a Write. A Write costs two syncs and mostly three pages.
//
// Both of bbolt's meta pages must be whole and of consecutive transactions. bbolt itself would go on with the older one,
// but that forgets a transaction which may have been acted on.
package store
