package journeys_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a running program. It ends with its test, by its process id.
type process struct {
	t       *testing.T
	name    string
	cmd     *exec.Cmd
	lines   chan string // what it prints, until it is up
	stderr  lockedBuffer
	printed string // up to the line that said that it is up
	ended   chan struct{}
}

// launch runs a program.
func launch(t *testing.T, program string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: filepath.Base(program), cmd: exec.Command(program, args...), lines: make(chan string), ended: make(chan struct{})}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", program, err)
	}
	go func() {
		for scan := bufio.NewScanner(stdout); scan.Scan(); {
			p.lines <- scan.Text()
		}
		close(p.lines)
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.stop)
	return p
}

// start runs a program and waits for the line that says that it is up.
func start(t *testing.T, up string, program string, args ...string) *process {
	t.Helper()
	p := launch(t, program, args...)
	for line := p.next(); line != up; line = p.next() {
		p.printed += line + "\n"
	}
	go func() {
		for range p.lines { // keep the pipe empty
		}
	}()
	return p
}

// next waits for a line of what the program prints.
func (p *process) next() string {
	p.t.Helper()
	select {
	case line, ok := <-p.lines:
		if !ok {
			p.t.Fatalf("%s ended:\n%s%s", p.name, p.printed, p.stderr.String())
		}
		return strings.TrimSpace(line)
	case <-time.After(60 * time.Second):
		p.t.Fatalf("%s said nothing for 60 s:\n%s%s", p.name, p.printed, p.stderr.String())
	}
	return ""
}

// stop asks the program to end.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	go func() {
		for range p.lines {
		}
	}()
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		p.kill()
		p.t.Errorf("%s did not stop within 30 s of SIGTERM", p.name)
	}
}

// kill ends the program as a power cut does.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(os.Kill)
	<-p.ended
}
