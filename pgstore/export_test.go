package pgstore

// Answers returns how many questions were answered from the daily results, and
// how many from units.
func (s *Store) Answers() (fromDays, fromUnits int64) {
	return s.answers.fromDays.Load(), s.answers.fromUnits.Load()
}

// SQL puts the schema's name into a statement.
func (s *Store) SQL(text string) string { return s.sql(text) }
