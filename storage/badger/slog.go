package badger

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// badgerLog passes on what Badger has to say: what it calls an error as a warning, the rest for debugging.
type badgerLog struct{ log *slog.Logger }

func (l badgerLog) write(level slog.Level, format string, args []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, "badger", "text", strings.TrimSpace(fmt.Sprintf(format, args...)))
	}
}

// Errorf implements badger.Logger.
func (l badgerLog) Errorf(format string, args ...any) { l.write(slog.LevelWarn, format, args) }

// Warningf implements badger.Logger.
func (l badgerLog) Warningf(format string, args ...any) { l.write(slog.LevelWarn, format, args) }

// Infof implements badger.Logger.
func (l badgerLog) Infof(format string, args ...any) { l.write(slog.LevelDebug, format, args) }

// Debugf implements badger.Logger. Badger calls it for each write.
func (badgerLog) Debugf(string, ...any) {}
