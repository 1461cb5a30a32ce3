package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// written is what has gone to disk so far.
type written struct {
	system    int64 // write_bytes of the processes
	directory int64 // bytes in the blocks of the data directory
}

// readWritten adds up processes and a directory, "" for none.
func readWritten(pids []int, dir string) (w written, err error) {
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
		if err != nil {
			return w, fmt.Errorf("measure process %d: %w", pid, err)
		}
		n, err := parseIO(b)
		if err != nil {
			return w, fmt.Errorf("measure process %d: %w", pid, err)
		}
		w.system += n
	}
	if dir != "" {
		if w.directory, err = blocksBelow(dir); err != nil {
			return w, fmt.Errorf("measure the data directory: %w", err)
		}
	}
	return w, nil
}

// parseIO returns write_bytes.
func parseIO(b []byte) (int64, error) {
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte("write_bytes:")); ok {
			n, err := strconv.ParseInt(string(bytes.TrimSpace(rest)), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("write_bytes in io: %w", err)
			}
			return n, nil
		}
	}
	return 0, fmt.Errorf("io has no write_bytes")
}
