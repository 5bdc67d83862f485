package postgrestest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

var errNotInstalled = errors.New("PostgreSQL is not installed: initdb is neither in PATH, nor where pg_config says, nor in /usr/lib/postgresql (Debian: apt-get install postgresql)")

var errNoUser = errors.New("PostgreSQL does not run as root, and the user postgres does not exist (run the tests as another user, or make it: useradd --system postgres)")

// binaries is the folder of initdb and postgres. Distributions keep it out of PATH.
func binaries() (string, error) {
	var folders []string
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			folders = append(folders, filepath.Dir(path))
		}
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		folders = append(folders, strings.TrimSpace(string(out)))
	}
	folders = append(folders, newestOfDebian())
	for _, folder := range folders {
		if isProgram(filepath.Join(folder, "initdb")) && isProgram(filepath.Join(folder, "postgres")) {
			return folder, nil
		}
	}
	return "", errNotInstalled
}

func newestOfDebian() (newest string) {
	folders, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is good
	highest := -1
	for _, folder := range folders {
		if version, err := strconv.Atoi(filepath.Base(filepath.Dir(folder))); err == nil && version > highest {
			newest, highest = folder, version
		}
	}
	return newest
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
