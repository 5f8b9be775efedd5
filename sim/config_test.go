package sim

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestTheZeroConfigIsPico5(t *testing.T) {
	zero, pico5 := newCase(t, Config{}).Config(), newCase(t, Pico5()).Config()
	if !reflect.DeepEqual(zero, pico5) {
		t.Errorf("zero is %+v\npico5 is %+v", zero, pico5)
	}
	if zero.AmbientCelsius != 22 || zero.Resistance != 1 || zero.Supply.LimitAmps != 15 || len(zero.Boards) != 5 {
		t.Errorf("%+v", zero)
	}
}

func TestProfiles(t *testing.T) {
	for _, name := range Profiles() {
		cfg, err := Profile(name)
		must(t, err)
		if cfg.Name != name {
			t.Errorf("%q is called %q", name, cfg.Name)
		}
		must(t, cfg.Validate())
	}
	if _, err := Profile("pico6"); err == nil || !strings.Contains(err.Error(), "pico5-hard") {
		t.Errorf("an unknown profile: %v", err)
	}
}

func TestAnyNumberOfBoards(t *testing.T) {
	for _, n := range []int{1, 4, 5, 6, 100} {
		cfg, err := Boards(n)
		must(t, err)
		c := newCase(t, cfg)
		boards := c.Boards()
		if len(boards) != n || boards[0].Name() != "master" || boards[n-1].Name() != map[bool]string{true: "master", false: fmt.Sprintf("worker-%d", n-1)}[n == 1] {
			t.Errorf("%d boards: %d, the last %s", n, len(boards), boards[len(boards)-1].Name())
		}
		if c.Supply().CommittedAmps() > c.Supply().LimitAmps() {
			t.Errorf("%d boards may draw %v A of %v", n, c.Supply().CommittedAmps(), c.Supply().LimitAmps())
		}
	}
	for _, n := range []int{-1, 0, 10001} {
		if _, err := Boards(n); err == nil {
			t.Errorf("%d boards make a case", n)
		}
	}
}

func TestEveryFaultOfAConfigIsReportedAtOnce(t *testing.T) {
	cfg := Config{
		AmbientCelsius: 61, Resistance: -1, TimeScale: math.NaN(), SettledDuty: 1.5,
		Boards: []BoardConfig{
			{Name: "a"},
			{Name: "a", Load: 2},
			{Name: "", Kind: 7, StartsOff: true},
			{Name: strings.Repeat("x", 25), BootTime: -time.Second, StopTime: 2 * time.Hour},
		},
		Fan:       FanConfig{Lag: time.Hour},
		Supply:    SupplyConfig{LimitAmps: -1, FixedAmps: math.Inf(1), FixedMaxAmps: -2},
		ThirdMode: SlowMode{Kelvin: -3, Time: -time.Second},
	}
	before := fmt.Sprintf("%+v", cfg)
	_, err := New(cfg)
	if err == nil {
		t.Fatal("it makes a case")
	}
	for _, path := range []string{
		"ambient_celsius: 61 is out of range: use -20 to 60", "resistance: -1", "time_scale: NaN", "settled_duty: 1.5",
		"fan.lag: 1h0m0s is out of range: use more than 0s, at most 1m0s",
		"supply.limit_amps: -1", "supply.fixed_amps: +Inf", "supply.fixed_max_amps: -2",
		"third_mode.kelvin: -3", "third_mode.time: -1s",
		`boards[1].name: "a" is already boards[0]`, "boards[1].load: 2",
		"boards[2].name: a board needs a name", "boards[2].kind: 7 is unknown: use pi-4b or pi-3b-plus",
		"boards[2].starts_off: ", "boards[3].name: ", "boards[3].boot_time: -1s", "boards[3].stop_time: 2h0m0s",
	} {
		if !strings.Contains(err.Error(), path) {
			t.Errorf("%q is missing from:\n%v", path, err)
		}
	}
	if lines := strings.Count(err.Error(), "\n") + 1; lines != 18 {
		t.Errorf("%d faults, want 18:\n%v", lines, err)
	}
	if after := fmt.Sprintf("%+v", cfg); after != before {
		t.Error("validating changed the configuration")
	}
}

func TestKindsHaveNames(t *testing.T) {
	for kind := range numKinds {
		text, err := kind.MarshalText()
		must(t, err)
		back := numKinds
		must(t, back.UnmarshalText(text))
		if back != kind {
			t.Errorf("%v is %v", kind, back)
		}
	}
	if err := new(Kind).UnmarshalText([]byte("pi-5")); err == nil || !strings.Contains(err.Error(), "pi-3b-plus") {
		t.Errorf("pi-5: %v", err)
	}
}
