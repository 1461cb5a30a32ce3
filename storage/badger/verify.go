package badger

import "io"

// VerifyBackup reads a backup to its end and returns how many keys are in it. It is for who gets one from elsewhere, and
// must know whether all of it has arrived. It blocks as r does, and needs no more memory than the largest key and value.
//
// Errors: ErrBackup if it is cut short or damaged.
func VerifyBackup(r io.Reader) (keys uint64, err error) {
	err = readBackup(r, func(frame) error {
		keys++
		return nil
	})
	return keys, err
}
