package core

import "slices"

// alarms is a set of alarm kinds: those that are raised for one subject, or one sensor of it.
type alarms uint16

func (a alarms) has(kind AlarmKind) bool { return a&(1<<kind) != 0 }

// alarm brings one alarm to what it should be. message says what, why and what to do, and is asked only when the alarm
// is raised; over says why it ends.
func (c *Core) alarm(raised *alarms, kind AlarmKind, wrong bool, subject, sensor string, message func() string, over string) {
	if wrong == raised.has(kind) {
		return
	}
	*raised ^= 1 << kind
	if wrong {
		a := Alarm{Kind: kind, Subject: subject, Sensor: sensor, Message: message(), Since: c.now}
		c.alarms = append(c.alarms, a)
		c.publish(Report{Kind: ReportAlarmRaised, Subject: subject, Message: a.Message, Alarm: kind, Sensor: sensor})
		return
	}
	at := slices.IndexFunc(c.alarms, func(a Alarm) bool {
		return a.Kind == kind && a.Subject == subject && a.Sensor == sensor
	})
	c.alarms = slices.Delete(c.alarms, at, at+1)
	place := subject
	if sensor != "" {
		place += "/" + sensor
	}
	c.publish(Report{Kind: ReportAlarmCleared, Subject: subject, Alarm: kind, Sensor: sensor, Message: place + ": " + kind.String() + " ended: " + over})
}
