package pgstore

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	"github.com/strataxp/strata"
)

// pseudonym returns an id as it is stored: the id itself, or with
// [Config.PseudonymKey] the first 18 bytes of HMAC-SHA-256 of diversion and id,
// in base64; a tenant's id is always itself. Two ids share them once in 10²⁰ pairs of a hundred million.
func (s *Store) pseudonym(d strata.Diversion, id string) string {
	if len(s.cfg.PseudonymKey) == 0 || id == "" || d == strata.ByTenant {
		return id
	}
	mac := hmac.New(sha256.New, s.cfg.PseudonymKey)
	mac.Write([]byte(d))
	mac.Write([]byte{0})
	mac.Write([]byte(id))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
}

// pseudonymous returns a unit whose ids are as they are stored. The tenant is an
// organisation, and order ids are unique within it.
func (s *Store) pseudonymous(u *strata.Unit) strata.Unit {
	if len(s.cfg.PseudonymKey) == 0 {
		return *u
	}
	return strata.Unit{
		Tenant: u.Tenant, User: s.pseudonym(strata.ByUser, u.User), Device: s.pseudonym(strata.ByDevice, u.Device),
		Session: s.pseudonym(strata.BySession, u.Session), Request: s.pseudonym(strata.ByRequest, u.Request),
	}
}
