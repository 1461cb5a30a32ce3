package reload

import (
	"os"
	"time"
)

// Look is what a file looked like when it was read. The zero value is of none.
type Look struct {
	info os.FileInfo
	at   time.Time // by the wall clock
}

// settled is how long after its modification a file is certain to get another time of modification when it
// is modified again.
const settled = 2 * time.Second

// LookAt returns the Look of a file that is about to be read.
func LookAt(info os.FileInfo) Look { return Look{info, time.Now()} }

// Is tells whether a file that looks like info is certain to hold what was read.
func (l Look) Is(info os.FileInfo) bool {
	return l.info != nil && os.SameFile(info, l.info) && info.Size() == l.info.Size() && info.ModTime().Equal(l.info.ModTime()) &&
		l.at.Sub(info.ModTime()) > settled
}
