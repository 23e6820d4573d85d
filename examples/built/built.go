// Package built builds the programs that the tests of the stand run as strangers do: as processes.
package built

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// Program builds a package of the module into a folder and returns the path of the program. root is the way to the
// module's root, such as "..", and pkg the package's path from there, such as "./cmd/vhod".
//
// go test takes a result for fresh as long as what the test itself is made of and opened stays as it was, and does not see what
// a test builds. So Program looks at every file that the program may be made of.
func Program(root, pkg, folder string) (string, error) {
	path := filepath.Join(folder, filepath.Base(pkg))
	build := exec.Command("go", "build", "-o", path, pkg)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return path, look(root)
}

func look(root string) error {
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && (name == "node_modules" || name == ".git" || name == "docs") {
			return filepath.SkipDir
		}
		if d.Type().IsRegular() {
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("looking at the sources: %w", err)
	}
	return nil
}
