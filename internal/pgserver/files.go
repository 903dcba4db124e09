package pgserver

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// PrivateDir makes a folder for the temporary files of a user.
func PrivateDir(prefix string, as *Credential) (string, error) {
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return "", err
	}
	return dir, give(dir, as)
}

// give makes a file the property of the Unprivileged user.
func give(name string, as *Credential) error {
	if as == nil {
		return nil
	}
	return os.Chown(name, int(as.Uid), int(as.Gid))
}

// WriteFile writes a file that only its user may read.
func WriteFile(name, text string, as *Credential) error {
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		return err
	}
	return give(name, as)
}

func openLog(name string, as *Credential) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return f, give(name, as)
}

// Tail returns the last bytes of a file, from the start of a line.
func Tail(name string, n int) string {
	text, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	if len(text) > n {
		_, rest, _ := strings.Cut(string(text[len(text)-n:]), "\n")
		return rest
	}
	return string(text)
}

// findPostgres returns the folder with the programs of PostgreSQL.
func findPostgres() (string, error) {
	if initdb, err := exec.LookPath("initdb"); err == nil {
		if initdb, err = filepath.EvalSymlinks(initdb); err == nil {
			return filepath.Dir(initdb), nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.New("pgserver: PostgreSQL is not installed: there is no initdb in PATH nor in /usr/lib/postgresql; on Debian: apt-get install postgresql. Or set " + Env + " to the connection string of a superuser of a running server")
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return major(a) - major(b) })
	return filepath.Dir(newest), nil
}

// major returns the version in /usr/lib/postgresql/15/bin/initdb.
func major(initdb string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	if err != nil {
		return 0
	}
	return n
}
