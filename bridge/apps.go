package bridge

import "sync"

// Apps bounds the Apps that are named after numbers which clients come with, because nothing is configured for these: an App is
// never given up, so strangers must not make as many as there are numbers.
type Apps struct {
	most int

	mu   sync.Mutex
	made map[string]struct{} // guarded by mu
}

// NewApps returns an Apps that admits that many.
func NewApps(most int) *Apps {
	return &Apps{most: most, made: make(map[string]struct{})}
}

// Admit tells whether there may be an App of this name: it is known already, or there are not too many, and then it is known from now
// on. It may be called by several at once, and does not block.
func (a *Apps) Admit(name string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, made := a.made[name]; !made && len(a.made) >= a.most {
		return false
	}
	a.made[name] = struct{}{}
	return true
}
