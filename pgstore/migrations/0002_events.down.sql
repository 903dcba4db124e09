drop table {schema}.outbox;
drop function {schema}.drop_partitions(date);
drop function {schema}.make_partitions(integer);
drop table {schema}.event;
drop table {schema}.dead_letter;
drop table {schema}.stream_gap;
drop table {schema}.batch;
drop table {schema}.stream;
