package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/bcrypt"
)

// Bounds of a file of passwords.
const (
	maxCost     = 14 // what costs more would let a few requests keep a processor busy for seconds
	maxUsers    = 100_000
	maxPassword = 1024 // bytes of a password that is looked at; bcrypt itself looks at 72
)

// Bounds of checking: each takes a processor some tenths of a second.
const (
	checksAtOnce  = 2
	checksWaiting = 16
)

// ParseHtpasswd reads a file of lines NAME:HASH, where the hash is bcrypt's (htpasswd -B). Empty lines and lines that begin with "#"
// are passed over. No error quotes what the file holds.
func ParseHtpasswd(b []byte) (map[string]string, error) {
	users := map[string]string{}
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, hash, ok := strings.Cut(line, ":")
		if !ok || CheckSubject(name) != nil {
			return nil, fmt.Errorf("line %d: expected NAME:HASH", n)
		}
		if users[name] != "" {
			return nil, fmt.Errorf("line %d: there is another line of that name", n)
		}
		if len(users) >= maxUsers {
			return nil, fmt.Errorf("more than %d users", maxUsers)
		}
		hash = strings.TrimSpace(hash)
		if err := checkBcrypt(hash); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		users[name] = hash
	}
	return users, nil
}

// bcryptLen is the length of a hash: $2y$, two digits of cost, $, 22 letters of salt and 31 of hash.
const bcryptLen = 60

func checkBcrypt(hash string) error {
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || len(hash) != bcryptLen || hash[:2] != "$2" || !strings.ContainsRune("aby", rune(hash[2])) || hash[3] != '$' || hash[6] != '$' || strings.ContainsFunc(hash[7:], notBcrypt) {
		return errors.New("expected a bcrypt hash, as htpasswd -B makes it")
	}
	if cost > maxCost {
		return fmt.Errorf("the cost is %d, at most %d is taken", cost, maxCost)
	}
	return nil
}

// notBcrypt says that a letter is none of bcrypt's base64.
func notBcrypt(c rune) bool {
	return !(c == '.' || c == '/' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z')
}

// passwords checks names and passwords.
type passwords struct {
	grants map[string]Grants
	files  *files
	now    atomic.Pointer[passwordFile]

	compare func(hash, password []byte) error // bcrypt's; tests count its work

	secret  [32]byte // keys what is remembered; of this process alone
	known   sums
	room    chan struct{}
	waiting atomic.Int64
}

// passwordFile is a file of passwords as it was read.
type passwordFile struct {
	users map[string]user
	// dummies are hashes of nothing, by their cost, from the lowest of the file to the highest.
	dummies [maxCost + 1][]byte
	lowest  int
	highest int
}

type user struct {
	hash []byte
	cost int
	who  *Identity
}

func newPasswords(file string, grants map[string]Grants, read func(string) ([]byte, error)) (*passwords, error) {
	p := &passwords{grants: grants, compare: bcrypt.CompareHashAndPassword, room: make(chan struct{}, checksAtOnce)}
	_, _ = rand.Read(p.secret[:]) // never fails
	p.files = newFiles(read, p.take, file)
	return p, p.files.load()
}

func (p *passwords) take(contents [][]byte) error {
	hashes, err := ParseHtpasswd(contents[0])
	if err != nil {
		return fmt.Errorf("%s: %w", p.files.names[0], err)
	}
	f := &passwordFile{users: make(map[string]user, len(hashes)), lowest: maxCost, highest: bcrypt.MinCost}
	for name, hash := range hashes {
		cost, err := bcrypt.Cost([]byte(hash))
		if err != nil {
			return fmt.Errorf("%s: %w", p.files.names[0], err)
		}
		g := p.grants[name]
		f.users[name] = user{[]byte(hash), cost, New(name, Basic, "", g.All, g.Items...)}
		f.lowest, f.highest = min(f.lowest, cost), max(f.highest, cost)
	}
	if len(f.users) == 0 {
		f.lowest, f.highest = bcrypt.DefaultCost, bcrypt.DefaultCost
	}
	// The hash of nothing in particular: that nobody's password leads to it needs no more than that it is random.
	var tail [31]byte
	_, _ = rand.Read(tail[:])
	for i := range tail {
		tail[i] = keyAlphabet[int(tail[i])%len(keyAlphabet)]
	}
	for cost := f.lowest; cost <= f.highest; cost++ {
		f.dummies[cost] = fmt.Appendf(nil, "$2a$%02d$%s%s", cost, strings.Repeat(".", 22), tail[:])
	}
	p.now.Store(f)
	return nil
}

var errPassword error = refuse(Wrong, "the name or the password is wrong")

// check says who a name and a password are.
func (p *passwords) check(name, password string) (*Identity, error) {
	if len(password) > maxPassword || len(name) > maxSubject {
		return nil, errPassword
	}
	f := p.now.Load()
	u, ok := f.users[name]
	sum := p.sum(name, password, u.hash)
	if ok && p.known.has(sum) {
		return u.who, nil
	}
	if p.waiting.Add(1) > checksAtOnce+checksWaiting {
		p.waiting.Add(-1)
		return nil, refuse(Busy, "too many passwords are being checked")
	}
	defer p.waiting.Add(-1)
	p.room <- struct{}{}
	defer func() { <-p.room }()
	if ok && p.known.has(sum) {
		return u.who, nil // somebody has checked it while we waited
	}
	cost := u.cost
	if !ok {
		cost = f.lowest
		_ = p.compare(f.dummies[cost], []byte(password))
	} else if p.compare(u.hash, []byte(password)) == nil {
		p.known.add(sum)
		return u.who, nil
	}
	// Each step of the cost takes twice the time, so these make up what is missing to the highest: whether there is a user of the
	// name cannot be told from the time that a refusal takes.
	for ; cost < f.highest; cost++ {
		_ = p.compare(f.dummies[cost], []byte(password))
	}
	return nil, errPassword
}

// sum stands for a password that was right. It holds the user's hash too, so that a password that was changed is not known any more.
func (p *passwords) sum(name, password string, hash []byte) digest {
	var room [512]byte
	b := append(room[:0], p.secret[:]...)
	b = append(append(b, byte(len(name)>>8), byte(len(name))), name...)
	b = append(append(b, byte(len(hash))), hash...)
	return sha256.Sum256(append(b, password...))
}

// sums remembers a bounded number of sums; the ones that are used stay, as in cache.
type sums struct {
	mu         sync.RWMutex
	young, old map[digest]struct{}
}

const maxSums = 4096

func (s *sums) has(d digest) bool {
	s.mu.RLock()
	_, ok := s.young[d]
	_, aging := s.old[d]
	s.mu.RUnlock()
	if !ok && aging {
		s.add(d)
	}
	return ok || aging
}

func (s *sums) add(d digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.young == nil || len(s.young) >= maxSums {
		s.young, s.old = make(map[digest]struct{}), s.young
	}
	s.young[d] = struct{}{}
}
