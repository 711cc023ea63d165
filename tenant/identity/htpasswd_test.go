package identity

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

func hashOf(t testing.TB, password string, cost int) string {
	t.Helper()
	b, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestHtpasswd(t *testing.T) {
	content := fmt.Sprintf("# users\n\nalice:%s\r\nbob:%s\n", hashOf(t, "wonder", 5), strings.Replace(hashOf(t, "builder.x.y", 4), "$2a$", "$2y$", 1))
	file := inFile(t, []byte(content))
	logger, log := logged()
	a := authority(t, AuthorityOptions{Logger: logger, Htpasswd: file, Issuers: []Issuer{three(t)}, Users: map[string]Grants{"alice": GrantsOf(Reader, "a")},
		Tokens: []StaticToken{{Name: "static", Token: "0123456789abcdef", Grants: GrantsOf(Writer, "s")}}})
	check := func(name, password, want string) {
		t.Helper()
		for range 2 {
			who, err := a.Identify(Credential{Kind: Password, User: name, Password: password}, testNow)
			got := codeOf(err)
			if err == nil {
				got = who.Subject + " " + grantsText(who)
			}
			if got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
	check("alice", "wonder", "alice a:reader")
	check("bob", "builder.x.y", "bob ") // it looks like a JWT
	check("anybody", "0123456789abcdef", "static s:writer")
	for _, c := range [][2]string{{"alice", "builder"}, {"alice", ""}, {"", "wonder"}, {"nobody", "wonder"}, {"Alice", "wonder"}, {"alice", strings.Repeat("x", 2000)}, {strings.Repeat("x", 2000), "x"}} {
		check(c[0], c[1], "credentials-wrong")
	}
	check("alice", sign(t, "EdDSA", signers()["EdDSA"], usual(claims{"exp": testNow.Add(-time.Hour).Unix()}), nil), "token-expired")

	// Another password counts at once, also where the old one is remembered.
	write(t, file, []byte("alice:"+hashOf(t, "other", 4)+"\n"))
	a.Refresh()
	check("alice", "wonder", "credentials-wrong")
	check("alice", "other", "alice a:reader")
	check("bob", "builder.x.y", "credentials-wrong")
	write(t, file, []byte("alice:plain\n"))
	a.Refresh()
	check("alice", "other", "alice a:reader")
	if !strings.Contains(log.String(), "line 1: expected a bcrypt hash") || strings.Contains(log.String(), "plain") {
		t.Errorf("%s", log)
	}
}

func TestParseHtpasswd(t *testing.T) {
	good := hashOf(t, "x", 4)
	for content, want := range map[string]string{
		"":                               "",
		"a:" + good + "\nb:" + good:      "",
		"a:" + good + "\na:" + good:      "line 2: there is another",
		"a":                              "line 1: expected NAME:HASH",
		":" + good:                       "line 1: expected NAME:HASH",
		"a:{SHA}0DPiKuNIrrVmD8IUCuw1hQ=": "bcrypt",
		"a:$apr1$x$y":                    "bcrypt",
		"a:" + strings.Replace(good, "$04$", "$15$", 1): "cost is 15",
		"a:" + strings.Replace(good, "$04$", "$31$", 1): "cost is 31",
		"a:" + strings.Replace(good, "$04$", "$99$", 1): "bcrypt",
		"a:" + strings.Replace(good, "$04$", "$03$", 1): "bcrypt",
		"a:" + strings.Replace(good, "$2a$", "$2x$", 1): "bcrypt",
		"a:" + good[:59]:                      "bcrypt",
		"a:" + good + "x":                     "bcrypt",
		"a:" + good[:30] + "\xff" + good[31:]: "bcrypt",
		strings.Repeat("n", 257) + ":" + good: "line 1: expected NAME:HASH",
	} {
		_, err := ParseHtpasswd([]byte(content))
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), good[10:])) {
			t.Errorf("%.40q: %v, want %q", content, err, want)
		}
	}
}

// TestPasswordsCostTheSame: a refusal takes the same work whether there is the user or not, and whatever the cost of the hash is.
func TestPasswordsCostTheSame(t *testing.T) {
	for _, costs := range [][]int{{5, 8}, {4}, {6, 6}, {}} {
		content, want := "", 1<<bcrypt.DefaultCost
		for i, cost := range costs {
			content += fmt.Sprintf("user%d:%s\n", i, strings.Replace(hashOf(t, "x", 4), "$04$", fmt.Sprintf("$%02d$", cost), 1))
			want = 1 << slices.Max(costs)
		}
		p, err := newPasswords(inFile(t, []byte(content)), nil, ReadFile)
		if err != nil {
			t.Fatal(err)
		}
		work := 0
		p.compare = func(hash, _ []byte) error {
			cost, err := bcrypt.Cost(hash)
			work += 1 << cost
			if err != nil || len(hash) != bcryptLen {
				t.Errorf("%s: %v", hash, err)
			}
			return bcrypt.ErrMismatchedHashAndPassword
		}
		for _, name := range []string{"user0", "user1", "nobody", ""} {
			work = 0
			if _, err := p.check(name, "wrong"); codeOf(err) != "credentials-wrong" || work != want {
				t.Errorf("costs %v, %q: work %d, want %d (%v)", costs, name, work, want, err)
			}
		}
	}
	// The hash that stands for nobody is one that can be compared.
	p, err := newPasswords(inFile(t, nil), nil, ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.compare(p.now.Load().dummies[bcrypt.DefaultCost], []byte("x")); !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		t.Error(err)
	}
}

// TestManyPasswords: a flood of wrong passwords is turned away when enough are being checked; a known one goes through.
func TestManyPasswords(t *testing.T) {
	p, err := newPasswords(inFile(t, []byte("alice:"+hashOf(t, "wonder", 4)+"\n")), nil, ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.check("alice", "wonder"); err != nil {
		t.Fatal(err)
	}
	for range checksAtOnce {
		p.room <- struct{}{} // as if checks took long
	}
	codes := make(chan string, checksWaiting+checksAtOnce+10)
	var wg sync.WaitGroup
	for range cap(codes) {
		wg.Go(func() {
			_, err := p.check("alice", "wrong")
			codes <- codeOf(err)
		})
	}
	for range 10 {
		if code := <-codes; code != "passwords-in-work" {
			t.Errorf("%s", code)
		}
	}
	if _, err := p.check("alice", "wonder"); err != nil {
		t.Error(err)
	}
	for range checksAtOnce {
		<-p.room
	}
	wg.Wait()
	for range checksWaiting + checksAtOnce {
		if code := <-codes; code != "credentials-wrong" {
			t.Errorf("%s", code)
		}
	}
	if n := p.waiting.Load(); n != 0 {
		t.Errorf("%d are still waiting", n)
	}
}

func TestSums(t *testing.T) {
	var s sums
	first := sumOf("first")
	s.add(first)
	for i := range 3 * maxSums {
		s.add(sumOf(fmt.Sprint(i)))
		if !s.has(first) {
			t.Fatalf("what is used is forgotten after %d", i)
		}
	}
	if len(s.young)+len(s.old) > 2*maxSums+1 || s.has(sumOf("1")) {
		t.Errorf("%d are remembered", len(s.young)+len(s.old))
	}
}

func FuzzHtpasswd(f *testing.F) {
	good := hashOf(f, "x", 4)
	f.Add("alice:" + good + "\n#\n\nbob:" + good)
	f.Add("alice:" + good + "\nalice:" + good)
	f.Add(":::\x00")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content string) {
		users, err := ParseHtpasswd([]byte(content))
		if err != nil {
			if len(err.Error()) > 200 {
				t.Fatal(err)
			}
			return
		}
		for name, hash := range users {
			cost, err := bcrypt.Cost([]byte(hash))
			if err != nil || cost > maxCost || CheckSubject(name) != nil {
				t.Fatalf("%q %q", name, hash)
			}
		}
		file := dir + "/f"
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := newPasswords(file, nil, ReadFile); err != nil {
			t.Fatal(err)
		}
	})
}

// BenchmarkKnownPassword is what a request pays for a password that was right a moment ago.
func BenchmarkKnownPassword(b *testing.B) {
	a := authority(b, AuthorityOptions{Htpasswd: inFile(b, []byte("alice:"+hashOf(b, "wonder", 10)+"\n"))})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Identify(Credential{Kind: Password, User: "alice", Password: "wonder"}, testNow); err != nil {
			b.Fatal(err)
		}
	}
}
