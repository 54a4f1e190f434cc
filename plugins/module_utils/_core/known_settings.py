# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that the servers know, to name a misspelt one before it is deployed.

Read from the servers themselves: ``postgres --describe-config`` of PostgreSQL 17,
``SHOW CONFIG`` of PgBouncer 1.24, ``CONFIG GET *`` of Redis 8.0, all from Debian 13.
What a role sets itself (addresses, paths, TLS, users) stands apart: the plan
does not take it.
"""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Set by the role postgres from its own variables.
POSTGRES_OF_THE_ROLE = _names(
    """
    archive_cleanup_command cluster_name config_file data_directory external_pid_file hba_file
    ident_file listen_addresses log_timezone logging_collector port primary_conninfo
    primary_slot_name recovery_target recovery_target_action recovery_target_inclusive
    recovery_target_lsn recovery_target_name recovery_target_time recovery_target_timeline
    recovery_target_xid ssl ssl_ca_file ssl_cert_file ssl_crl_dir ssl_crl_file ssl_key_file
    ssl_passphrase_command ssl_passphrase_command_supports_reload timezone
    unix_socket_directories unix_socket_group unix_socket_permissions
    """
)

#: Set by the role pgbouncer from its own variables.
PGBOUNCER_OF_THE_ROLE = _names(
    """
    admin_users auth_dbname auth_file auth_hba_file auth_ident_file auth_query auth_type
    auth_user client_tls_ca_file client_tls_cert_file client_tls_ciphers client_tls_dheparams
    client_tls_ecdhcurve client_tls_key_file client_tls_protocols client_tls_sslmode conffile
    job_name listen_addr listen_port logfile peer_id pidfile resolv_conf server_tls_ca_file
    server_tls_cert_file server_tls_ciphers server_tls_key_file server_tls_protocols
    server_tls_sslmode stats_users syslog syslog_facility syslog_ident unix_socket_dir
    unix_socket_group unix_socket_mode user
    """
)

#: Set by the role redis from its own variables.
REDIS_OF_THE_ROLE = _names(
    """
    aclfile appenddirname appendfilename bind bind-source-addr crash-log-enabled daemonize
    dbfilename dir enable-debug-command enable-module-command enable-protected-configs
    locale-collate logfile masterauth masteruser pidfile port proc-title-template protected-mode
    replicaof requirepass set-proc-title slaveof supervised syslog-enabled syslog-facility
    syslog-ident tls-auth-clients tls-ca-cert-dir tls-ca-cert-file tls-cert-file tls-ciphers
    tls-ciphersuites tls-client-cert-file tls-client-key-file tls-client-key-file-pass
    tls-cluster tls-dh-params-file tls-key-file tls-key-file-pass tls-port
    tls-prefer-server-ciphers tls-protocols tls-replication tls-session-cache-size
    tls-session-cache-timeout tls-session-caching unixsocket unixsocketperm
    """
)

#: PostgreSQL 17, without extensions and without developer options.
POSTGRES = _names(
    """
    allow_alter_system archive_command archive_library archive_mode archive_timeout array_nulls
    authentication_timeout autovacuum autovacuum_analyze_scale_factor
    autovacuum_analyze_threshold autovacuum_freeze_max_age autovacuum_max_workers
    autovacuum_multixact_freeze_max_age autovacuum_naptime autovacuum_vacuum_cost_delay
    autovacuum_vacuum_cost_limit autovacuum_vacuum_insert_scale_factor
    autovacuum_vacuum_insert_threshold autovacuum_vacuum_scale_factor
    autovacuum_vacuum_threshold autovacuum_work_mem backend_flush_after backslash_quote
    bgwriter_delay bgwriter_flush_after bgwriter_lru_maxpages bgwriter_lru_multiplier bonjour
    bonjour_name bytea_output check_function_bodies checkpoint_completion_target
    checkpoint_flush_after checkpoint_timeout checkpoint_warning
    client_connection_check_interval client_encoding client_min_messages commit_delay
    commit_siblings commit_timestamp_buffers compute_query_id constraint_exclusion
    cpu_index_tuple_cost cpu_operator_cost cpu_tuple_cost createrole_self_grant
    cursor_tuple_fraction data_sync_retry datestyle deadlock_timeout debug_pretty_print
    debug_print_parse debug_print_plan debug_print_rewritten default_statistics_target
    default_table_access_method default_tablespace default_text_search_config
    default_toast_compression default_transaction_deferrable default_transaction_isolation
    default_transaction_read_only dynamic_library_path dynamic_shared_memory_type
    effective_cache_size effective_io_concurrency enable_async_append enable_bitmapscan
    enable_gathermerge enable_group_by_reordering enable_hashagg enable_hashjoin
    enable_incremental_sort enable_indexonlyscan enable_indexscan enable_material enable_memoize
    enable_mergejoin enable_nestloop enable_parallel_append enable_parallel_hash
    enable_partition_pruning enable_partitionwise_aggregate enable_partitionwise_join
    enable_presorted_aggregate enable_seqscan enable_sort enable_tidscan escape_string_warning
    event_source event_triggers exit_on_error extension_destdir extra_float_digits
    file_extend_method from_collapse_limit fsync full_page_writes geqo geqo_effort
    geqo_generations geqo_pool_size geqo_seed geqo_selection_bias geqo_threshold
    gin_fuzzy_search_limit gin_pending_list_limit gss_accept_delegation hash_mem_multiplier
    hot_standby hot_standby_feedback huge_page_size huge_pages icu_validation_level
    idle_in_transaction_session_timeout idle_session_timeout intervalstyle io_combine_limit jit
    jit_above_cost jit_inline_above_cost jit_optimize_above_cost jit_provider
    join_collapse_limit krb_caseins_users krb_server_keyfile lc_messages lc_monetary lc_numeric
    lc_time lo_compat_privileges local_preload_libraries lock_timeout
    log_autovacuum_min_duration log_checkpoints log_connections log_destination log_directory
    log_disconnections log_duration log_error_verbosity log_executor_stats log_file_mode
    log_filename log_hostname log_line_prefix log_lock_waits log_min_duration_sample
    log_min_duration_statement log_min_error_statement log_min_messages log_parameter_max_length
    log_parameter_max_length_on_error log_parser_stats log_planner_stats
    log_recovery_conflict_waits log_replication_commands log_rotation_age log_rotation_size
    log_startup_progress_interval log_statement log_statement_sample_rate log_statement_stats
    log_temp_files log_transaction_sample_rate log_truncate_on_rotation
    logical_decoding_work_mem maintenance_io_concurrency maintenance_work_mem max_connections
    max_files_per_process max_locks_per_transaction max_logical_replication_workers
    max_notify_queue_pages max_parallel_apply_workers_per_subscription
    max_parallel_maintenance_workers max_parallel_workers max_parallel_workers_per_gather
    max_pred_locks_per_page max_pred_locks_per_relation max_pred_locks_per_transaction
    max_prepared_transactions max_replication_slots max_slot_wal_keep_size max_stack_depth
    max_standby_archive_delay max_standby_streaming_delay max_sync_workers_per_subscription
    max_wal_senders max_wal_size max_worker_processes min_dynamic_shared_memory
    min_parallel_index_scan_size min_parallel_table_scan_size min_wal_size
    multixact_member_buffers multixact_offset_buffers notify_buffers output_plugin_libraries
    parallel_leader_participation parallel_setup_cost parallel_tuple_cost password_encryption
    plan_cache_mode quote_all_identifiers random_page_cost recovery_end_command
    recovery_init_sync_method recovery_min_apply_delay recovery_prefetch
    recursive_worktable_factor reserved_connections restart_after_crash restore_command
    row_security scram_iterations search_path seq_page_cost serializable_buffers
    session_preload_libraries session_replication_role shared_buffers shared_memory_type
    shared_preload_libraries ssl_ciphers ssl_dh_params_file ssl_ecdh_curve
    ssl_max_protocol_version ssl_min_protocol_version ssl_prefer_server_ciphers
    standard_conforming_strings statement_timeout stats_fetch_consistency subtransaction_buffers
    summarize_wal superuser_reserved_connections sync_replication_slots synchronize_seqscans
    synchronized_standby_slots synchronous_commit synchronous_standby_names syslog_facility
    syslog_ident syslog_sequence_numbers syslog_split_messages tcp_keepalives_count
    tcp_keepalives_idle tcp_keepalives_interval tcp_user_timeout temp_buffers temp_file_limit
    temp_tablespaces timezone_abbreviations track_activities track_activity_query_size
    track_commit_timestamp track_counts track_functions track_io_timing track_wal_io_timing
    transaction_buffers transaction_timeout transform_null_equals update_process_title
    vacuum_buffer_usage_limit vacuum_cost_delay vacuum_cost_limit vacuum_cost_page_dirty
    vacuum_cost_page_hit vacuum_cost_page_miss vacuum_failsafe_age vacuum_freeze_min_age
    vacuum_freeze_table_age vacuum_multixact_failsafe_age vacuum_multixact_freeze_min_age
    vacuum_multixact_freeze_table_age wal_buffers wal_compression wal_decode_buffer_size
    wal_init_zero wal_keep_size wal_level wal_log_hints wal_receiver_create_temp_slot
    wal_receiver_status_interval wal_receiver_timeout wal_recycle wal_retrieve_retry_interval
    wal_sender_timeout wal_skip_threshold wal_summary_keep_time wal_sync_method wal_writer_delay
    wal_writer_flush_after work_mem xmlbinary xmloption
    """
)

#: PgBouncer 1.24.
PGBOUNCER = _names(
    """
    application_name_add_host autodb_idle_timeout cancel_wait_timeout client_idle_timeout
    client_login_timeout default_pool_size disable_pqexec dns_max_ttl dns_nxdomain_ttl
    dns_zone_check_period idle_transaction_timeout ignore_startup_parameters listen_backlog
    log_connections log_disconnections log_pooler_errors log_stats max_client_conn
    max_db_client_connections max_db_connections max_packet_size max_prepared_statements
    max_user_client_connections max_user_connections min_pool_size pkt_buf pool_mode
    query_timeout query_wait_timeout reserve_pool_size reserve_pool_timeout sbuf_loopcnt
    server_check_delay server_check_query server_connect_timeout server_fast_close
    server_idle_timeout server_lifetime server_login_retry server_reset_query
    server_reset_query_always server_round_robin so_reuseport stats_period suspend_timeout
    tcp_defer_accept tcp_keepalive tcp_keepcnt tcp_keepidle tcp_keepintvl tcp_socket_buffer
    tcp_user_timeout track_extra_parameters verbose
    """
)

#: Redis 8.0.
REDIS = _names(
    """
    acl-pubsub-default acllog-max-len active-defrag-cycle-max active-defrag-cycle-min
    active-defrag-ignore-bytes active-defrag-max-scan-fields active-defrag-threshold-lower
    active-defrag-threshold-upper active-expire-effort activedefrag activerehashing
    always-show-logo aof-load-truncated aof-rewrite-cpulist aof-rewrite-incremental-fsync
    aof-timestamp-enabled aof-use-rdb-preamble aof_rewrite_cpulist appendfsync appendonly
    auto-aof-rewrite-min-size auto-aof-rewrite-percentage bgsave-cpulist bgsave_cpulist
    bio-cpulist bio_cpulist busy-reply-threshold client-output-buffer-limit
    client-query-buffer-limit cluster-allow-pubsubshard-when-down cluster-allow-reads-when-down
    cluster-allow-replica-migration cluster-announce-bus-port cluster-announce-hostname
    cluster-announce-human-nodename cluster-announce-ip cluster-announce-port
    cluster-announce-tls-port cluster-compatibility-sample-ratio cluster-config-file
    cluster-enabled cluster-link-sendbuf-limit cluster-migration-barrier cluster-node-timeout
    cluster-port cluster-preferred-endpoint-type cluster-replica-no-failover
    cluster-replica-validity-factor cluster-require-full-coverage cluster-slave-no-failover
    cluster-slave-validity-factor crash-memcheck-enabled databases disable-thp dynamic-hz
    hash-max-listpack-entries hash-max-listpack-value hash-max-ziplist-entries
    hash-max-ziplist-value hide-user-data-from-log hll-sparse-max-bytes hz ignore-warnings
    io-threads jemalloc-bg-thread latency-monitor-threshold latency-tracking
    latency-tracking-info-percentiles lazyfree-lazy-eviction lazyfree-lazy-expire
    lazyfree-lazy-server-del lazyfree-lazy-user-del lazyfree-lazy-user-flush lfu-decay-time
    lfu-log-factor list-compress-depth list-max-listpack-size list-max-ziplist-size loglevel
    lua-time-limit max-new-connections-per-cycle max-new-tls-connections-per-cycle maxclients
    maxmemory maxmemory-clients maxmemory-eviction-tenacity maxmemory-policy maxmemory-samples
    min-replicas-max-lag min-replicas-to-write min-slaves-max-lag min-slaves-to-write
    no-appendfsync-on-rewrite notify-keyspace-events oom-score-adj oom-score-adj-values
    propagation-error-behavior proto-max-bulk-len rdb-del-sync-files rdb-save-incremental-fsync
    rdbchecksum rdbcompression repl-backlog-size repl-backlog-ttl repl-disable-tcp-nodelay
    repl-diskless-load repl-diskless-sync repl-diskless-sync-delay
    repl-diskless-sync-max-replicas repl-ping-replica-period repl-ping-slave-period repl-timeout
    replica-announce-ip replica-announce-port replica-announced replica-full-sync-buffer-limit
    replica-ignore-disk-write-errors replica-ignore-maxmemory replica-lazy-flush
    replica-priority replica-read-only replica-serve-stale-data sanitize-dump-payload save
    server-cpulist server_cpulist set-max-intset-entries set-max-listpack-entries
    set-max-listpack-value shutdown-on-sigint shutdown-on-sigterm shutdown-timeout
    slave-announce-ip slave-announce-port slave-ignore-maxmemory slave-lazy-flush slave-priority
    slave-read-only slave-serve-stale-data slowlog-log-slower-than slowlog-max-len
    socket-mark-id stop-writes-on-bgsave-error stream-node-max-bytes stream-node-max-entries
    tcp-backlog tcp-keepalive timeout tracking-table-max-keys zset-max-listpack-entries
    zset-max-listpack-value zset-max-ziplist-entries zset-max-ziplist-value
    """
)

#: Extensions whose settings may be given as ``prefix.name``.
POSTGRES_PREFIXES = ("auto_explain", "pg_stat_statements", "pgaudit")
