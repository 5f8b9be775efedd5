package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/identity"
	"github.com/bramblemesh/bramble/internal/document"
)

// More than this is no case but a mistake.
const (
	maxNodes = 10_000
	maxFans  = 64
)

type (
	numbers   = document.Limits[float64]
	wholes    = document.Limits[int]
	durations = document.Limits[time.Duration]
)

// reader fills a Config and remembers where each of its values was written.
type reader struct {
	cfg    *Config
	places map[string]document.Value // by the path of a core.Fault
	wired  map[Line]string           // the path of each GPIO line's use
}

func (r *reader) read(m *document.Map) {
	c := &r.cfg.Core
	c.Case = r.place("Case", m.Key("case")).String("case")
	c.StaleAfter = r.place("StaleAfter", m.Key("stale_after")).
		Duration(3*time.Second, durations{Of: "the age at which a node is stale", Min: 2 * time.Second, Max: time.Minute})
	c.UnreachableAfter = r.place("UnreachableAfter", m.Key("unreachable_after")).
		Duration(15*time.Second, durations{Of: "the age at which a node is unreachable", Min: 3 * time.Second, Max: 10 * time.Minute})
	tls := m.Key("tls")
	if tls.Written() {
		r.cfg.TLS = readTLS(tls.Map())
	}
	r.listen(m.Key("listen"))
	state := m.Key("state")
	if r.cfg.State = state.String(DefaultState); !filepath.IsAbs(r.cfg.State) && !state.Faulty() {
		state.Fault("must be an absolute path")
	}
	r.nodes(m.Key("nodes"))
	r.fans(m.Key("fans"))
	r.supply(m.Key("supply").Map())
	r.refused(c.Validate())
}

// place remembers where a value of core.Config stands.
func (r *reader) place(path string, v document.Value) document.Value {
	r.places[path] = v
	return v
}

// refused records what the core says about values that the file's own limits let pass, at their places.
func (r *reader) refused(err error) {
	if err == nil {
		return
	}
	// Fields of the core that it may name besides the faulty one.
	keys := strings.NewReplacer("StopBelowCelsius", "stop_below", "LimitCelsius", "limit")
	for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
		fault, ok := errors.AsType[*core.Fault](err)
		if !ok {
			continue
		}
		if at, known := r.places[fault.Path]; known && !at.Faulty() {
			at.Fault(keys.Replace(fault.Allowed))
		}
	}
}

func readTLS(m *document.Map) *identity.Files {
	path := func(key, what string) string {
		v := m.Key(key).Required("the PEM file of " + what)
		text := v.String("")
		if v.Written() && !v.Faulty() && !filepath.IsAbs(text) {
			v.Fault("must be an absolute path")
		}
		return text
	}
	return &identity.Files{
		Authority:   path("authority", "the case's authority"),
		Certificate: path("certificate", "this machine's certificate"),
		Key:         path("key", "the certificate's key"),
	}
}

func (r *reader) listen(v document.Value) {
	socket := false
	seen := map[string]bool{}
	for _, item := range v.List() {
		a, ok := readAddress(item, 7710)
		switch {
		case !ok:
			continue
		case seen[a.String()]:
			item.Fault("named twice: keep one")
		case !a.local() && r.cfg.TLS == nil:
			item.Fault("can be reached from the network: add tls (authority, certificate, key), or listen on a unix socket or 127.0.0.1")
		}
		seen[a.String()] = true
		socket = socket || a.path != ""
		r.cfg.Listen = append(r.cfg.Listen, a.String())
	}
	if !socket {
		r.cfg.Listen = append([]string{DefaultListen}, r.cfg.Listen...)
	}
}

func (r *reader) nodes(v document.Value) {
	items := v.List()
	if len(items) > maxNodes {
		v.Fault(fmt.Sprintf("%d nodes: a case has at most %d", len(items), maxNodes))
		return
	}
	names, addresses := map[string]string{}, map[string]string{}
	var read []document.Value // one for each node of the core's
	for _, item := range items {
		m := item.Map()
		if item.Faulty() {
			continue
		}
		path := fmt.Sprintf("Nodes[%d].", len(r.cfg.Core.Nodes))
		n := core.NodeConfig{
			Name:            r.name(path+"Name", m.Key("name"), "node", names),
			SetPointCelsius: r.place(path+"SetPointCelsius", m.Key("set_point")).Celsius(0, numbers{Of: "a set-point", Min: 20, Max: 100}),
			LimitCelsius:    r.place(path+"LimitCelsius", m.Key("limit")).Celsius(0, numbers{Of: "a limit", Min: 40, Max: 125}),
			Maintenance:     m.Key("maintenance").Bool(false),
			BootDeadline: r.place(path+"BootDeadline", m.Key("boot_deadline")).
				Duration(2*time.Minute, durations{Of: "a boot deadline", Min: 5 * time.Second, Max: time.Hour}),
		}
		address := r.place(path+"Address", m.Key("address")).Required("where its agent listens: unix:///PATH, HOST or HOST:PORT")
		if a, ok := readAddress(address, 7700); ok {
			n.Address = a.String()
			if other := addresses[n.Address]; other != "" {
				address.Fault("is also the address of " + other)
			} else if addresses[n.Address] = item.Path(); !a.local() && r.cfg.TLS == nil {
				address.Fault("leaves this machine: add tls (authority, certificate, key), or use a unix socket or loopback")
			}
		}
		if n.SetPointCelsius > 0 && n.LimitCelsius > 0 && n.SetPointCelsius >= n.LimitCelsius {
			m.Key("set_point").Fault(fmt.Sprintf("must be below the node's limit of %gC", n.LimitCelsius))
		}
		r.nodePower(path, &n, m.Key("power"))
		r.cfg.Core.Nodes = append(r.cfg.Core.Nodes, n)
		read = append(read, item)
	}
	r.after(read)
	r.master(read)
}

// name reads what a node or fan is called. taken has the path of each name so far.
func (r *reader) name(path string, v document.Value, what string, taken map[string]string) string {
	name := r.place(path, v.Required("the "+what+"'s name")).String("")
	switch {
	case !v.Written() || v.Faulty():
	case !validName(name):
		v.Fault("a name is 1 to 24 lower-case letters, digits and dashes, with a letter or digit at both ends")
	case taken[name] != "":
		v.Fault("is also the name of " + taken[name])
	default:
		taken[name] = strings.TrimSuffix(v.Path(), ".name")
	}
	return name
}

// validName lets DNS labels of at most 24 characters pass.
func validName(name string) bool {
	for i, r := range name {
		inner := i > 0 && i < len(name)-1
		if !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' && inner) {
			return false
		}
	}
	return len(name) >= 1 && len(name) <= 24
}

// line reads a GPIO line and finds one that has two uses.
func (r *reader) line(m *document.Map) Line {
	at := m.Key("line").Required("the number of the GPIO line")
	l := Line{Chip: m.Key("chip").String(""), Offset: at.Int(-1, wholes{Of: "a GPIO line", Min: 0, Max: 57})}
	if l.Offset < 0 {
		return l
	}
	if other := r.wired[l.pin()]; other != "" {
		at.Fault(fmt.Sprintf("%s is used by %s already", l, other))
		return l
	}
	r.wired[l.pin()] = at.Path()
	return l
}
