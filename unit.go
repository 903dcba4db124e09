package strata

import (
	"cmp"
	"reflect"
	"strconv"
)

// Unit is what is assigned: the ids that the application knows of whoever makes
// the request, and attributes for audiences. Leave out what is not known: a
// layer that diverts by a missing id gives nothing, and never falls back to
// another id.
type Unit struct {
	User    string
	Device  string
	Session string
	Tenant  string
	Request string

	// Attributes are what audiences read: strings, bools, numbers, lists of
	// strings. They are read during calls that the unit is passed to and by
	// the assignment made from it, and never changed. Only those that an
	// experiment names in [Analysis.Breakdowns] are stored, with its exposures.
	// Nil is fine.
	Attributes map[string]any
}

// ID returns the id that a diversion hashes, or "".
func (u *Unit) ID(d Diversion) string {
	i, ok := d.index()
	if !ok {
		return ""
	}
	return u.id(i)
}

func (u *Unit) id(div int) string {
	switch diversions[div] {
	case ByTenant:
		return u.Tenant
	case ByUser:
		return u.User
	case ByDevice:
		return u.Device
	case BySession:
		return u.Session
	default:
		return u.Request
	}
}

// primary returns the id that stands for the unit where one must.
func (u *Unit) primary() string {
	return cmp.Or(u.User, u.Device, u.Session, u.Tenant, u.Request)
}

// only returns a unit that has a single id.
func only(div int, id string) Unit {
	var u Unit
	switch diversions[div] {
	case ByTenant:
		u.Tenant = id
	case ByUser:
		u.User = id
	case ByDevice:
		u.Device = id
	case BySession:
		u.Session = id
	default:
		u.Request = id
	}
	return u
}

// recordedAttributes returns the attributes that are recorded with an exposure
// to the experiment, as text.
func (s *Snapshot) recordedAttributes(experiment string, attributes map[string]any) map[string]string {
	var recorded map[string]string
	for _, name := range s.breakdowns[experiment] {
		text, ok := attributeText(attributes[name])
		if !ok {
			continue
		}
		if recorded == nil {
			recorded = make(map[string]string)
		}
		recorded[name] = text
	}
	return recorded
}

// attributeText is the text of a string, a bool or a number. What is anything
// else, or too long to be a group of units, is left out.
func attributeText(v any) (text string, ok bool) {
	switch v := reflect.ValueOf(v); v.Kind() {
	case reflect.String:
		text = v.String()
	case reflect.Bool:
		text = strconv.FormatBool(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		text = strconv.FormatInt(v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		text = strconv.FormatUint(v.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		text = strconv.FormatFloat(v.Float(), 'g', -1, 64)
	default:
		return "", false
	}
	return text, checkText("Attributes", text, maxAttributeBytes, false) == nil
}
