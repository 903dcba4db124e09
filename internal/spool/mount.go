package spool

import "sync"

// mounts are the folders that lie on another file system than the machine's.
var mounts struct {
	sync.Mutex
	at map[string]FS
}

// Mount has spools in a folder of exactly this name use another file system than
// the machine's, until unmount is called. It is how tests and simulations put a
// disk that crashes under a whole engine. Safe for concurrent use.
func Mount(dir string, fsys FS) (unmount func()) {
	mounts.Lock()
	defer mounts.Unlock()
	if mounts.at == nil {
		mounts.at = make(map[string]FS)
	}
	mounts.at[dir] = fsys
	return func() {
		mounts.Lock()
		defer mounts.Unlock()
		delete(mounts.at, dir)
	}
}

// mounted returns the file system of a folder.
func mounted(dir string) FS {
	mounts.Lock()
	defer mounts.Unlock()
	if fsys := mounts.at[dir]; fsys != nil {
		return fsys
	}
	return OS()
}
