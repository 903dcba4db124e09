package pgstore

import (
	"context"
)

func (s *Store) emptyOutbox(ctx context.Context) error { return nil }
