package main

import (
	"log/slog"

	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
)

// reloader puts what may change of the configuration into force while a room runs. It is for one goroutine.
type reloader struct {
	load    func() (*config.Config, error) // reads it again
	current *config.Config                 // in force
	log     *slog.Logger
}

// reload reads the configuration again. With any fault all stays as it was. What it logs are names of settings, no values.
func (l *reloader) reload(r room) {
	next, err := l.load()
	if err != nil {
		l.log.Error("configuration_not_reloaded", "error", err)
		return
	}
	what, err := l.current.Reload(next)
	if err == nil && len(what.Changed) > 0 {
		err = r.Reload(what.Config)
	}
	if err != nil {
		l.log.Error("configuration_not_reloaded", "error", err)
		return
	}
	l.current = what.Config
	l.log.Info("configuration_reloaded", "settings", what.Changed)
	if len(what.Restart) > 0 {
		l.log.Warn("settings_need_restart", "settings", what.Restart)
	}
}
