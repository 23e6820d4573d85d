package account

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Places says where networks are: as exactly as the file that they were read from.
type Places struct {
	at   map[netip.Prefix]Place
	bits []int // lengths of prefixes that there are, the longest first; those of IPv6 beside those of IPv4
}

// Place is a point on the earth, in degrees, and what people call it.
type Place struct {
	Latitude, Longitude float64
	Name                string // may be empty
}

// maxPlaces bounds what is read into memory.
const (
	maxPlaces    = 5_000_000
	maxPlaceName = 100
)

// ReadPlaces reads lines of "prefix,latitude,longitude,name", such as 203.0.113.0/24,55.75,37.62,Москва, where the name may be
// left out. What follows a further comma, empty lines, and lines that begin with # are passed over. A wrong line is an error that names it.
func ReadPlaces(r io.Reader) (*Places, error) {
	p := &Places{at: map[netip.Prefix]Place{}}
	lengths, names := map[int]bool{}, map[string]string{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		prefix, place, err := parsePlace(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if len(p.at) >= maxPlaces {
			return nil, fmt.Errorf("line %d: more than %d networks", n, maxPlaces)
		}
		place.Name = once(names, place.Name)
		p.at[prefix], lengths[prefix.Bits()] = place, true
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading places: %w", err)
	}
	for bits := range lengths {
		p.bits = append(p.bits, bits)
	}
	slices.Sort(p.bits)
	slices.Reverse(p.bits)
	return p, nil
}

// once keeps a name that many networks have in memory once, and not the lines around it.
func once(names map[string]string, name string) string {
	kept, ok := names[name]
	if !ok {
		kept = strings.Clone(name)
		names[kept] = kept
	}
	return kept
}

func parsePlace(line string) (netip.Prefix, Place, error) {
	cells := strings.Split(line, ",")
	if len(cells) < 3 {
		return netip.Prefix{}, Place{}, fmt.Errorf("prefix,latitude,longitude are wanted, not %q", line)
	}
	prefix, err := netip.ParsePrefix(strings.TrimSpace(cells[0]))
	if err != nil {
		return netip.Prefix{}, Place{}, fmt.Errorf("network: %w", err)
	}
	latitude, err1 := strconv.ParseFloat(strings.TrimSpace(cells[1]), 64)
	longitude, err2 := strconv.ParseFloat(strings.TrimSpace(cells[2]), 64)
	if err1 != nil || err2 != nil || !(math.Abs(latitude) <= 90) || !(math.Abs(longitude) <= 180) { // NaN is no degree either
		return netip.Prefix{}, Place{}, fmt.Errorf("%q and %q are no degrees", cells[1], cells[2])
	}
	place := Place{Latitude: latitude, Longitude: longitude}
	if len(cells) > 3 {
		place.Name = strings.TrimSpace(cells[3])
	}
	if !utf8.ValidString(place.Name) || len(place.Name) > maxPlaceName {
		return netip.Prefix{}, Place{}, fmt.Errorf("a name is UTF-8 of at most %d bytes", maxPlaceName)
	}
	return prefix.Masked(), place, nil
}

// Of returns the place of the smallest network that holds the address, if any does. Nil places know none.
func (p *Places) Of(a netip.Addr) (Place, bool) {
	if p == nil || !a.IsValid() {
		return Place{}, false
	}
	a = a.Unmap()
	for _, bits := range p.bits {
		prefix, err := a.Prefix(bits)
		if err != nil { // longer than an IPv4 address
			continue
		}
		if place, ok := p.at[prefix]; ok {
			return place, true
		}
	}
	return Place{}, false
}

// From says from where somebody comes, for people to read: the place, where it is known, and the address. Empty when there is none.
func (s *Service) From(o Origin) string {
	if !o.Address.IsValid() {
		return ""
	}
	if place := s.Place(o); place != "" {
		return place + ", " + o.Address.String()
	}
	return o.Address.String()
}

// Place is the name of the place from where somebody comes; empty where it is not known.
func (s *Service) Place(o Origin) string {
	place, _ := s.cfg.Places.Of(o.Address)
	return place.Name
}

// km is the distance over the ground, on a ball of the earth's mean radius.
func (p Place) km(q Place) float64 {
	const radius, degree = 6371, math.Pi / 180
	up, along := (q.Latitude-p.Latitude)*degree, (q.Longitude-p.Longitude)*degree
	h := math.Pow(math.Sin(up/2), 2) + math.Cos(p.Latitude*degree)*math.Cos(q.Latitude*degree)*math.Pow(math.Sin(along/2), 2)
	return 2 * radius * math.Asin(math.Sqrt(min(1, h)))
}
