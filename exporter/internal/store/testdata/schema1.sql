-- Rows of a store as the first schema held them: what the release before the second wrote.
INSERT INTO event (id, source, kind, key, content_hash, conflict, received_at, state, reason, detail, ended_at, subject_id, sip_key, session_key, drop_late, headers, redeliveries, name, session_id, log_id, client_address, endpoint, request_headers) VALUES
  (1, 's', 'cdr', X'57f773909853ed46d57ad1199a64a98867a70b072a121e94a6bd51d3acfff928', X'974a31a54cfef6201b33e84f0eb8bfcd5211d9c729dd413e13d0e2064a848cd1', 0, 1772366400000000000, 'dead', 'unmappable', '', 1772366400000000000, 1, X'f772082d1dcab70a98ea4d4edd3597ff97e05f61d5e4ad3b85478c4b0851528f', NULL, 0, NULL, 0, 'cdr_logged', 'unmappable', '', '', '', NULL);
INSERT INTO event (id, source, kind, key, content_hash, conflict, received_at, state, reason, detail, ended_at, subject_id, sip_key, session_key, drop_late, headers, redeliveries, name, session_id, log_id, client_address, endpoint, request_headers) VALUES
  (2, 's', 'cdr', X'03449a879609f468cdb9468ffac17d19f4c990d8a16c35e67abd6006b083d2c5', X'6b8f9bcd269d3b68a89b789b729a47090b3edf2b07eacd1b54f5c419ba0a1ced', 0, 1772366400000000000, 'exported', '', '', 0, 2, X'a2b51367c60a8639137dfeaf9e7f24dbb5bedbda9ff5a00a2ad4ce44a1352872', NULL, 0, NULL, 0, 'cdr_logged', 'exported', '', '', '', NULL);
INSERT INTO event (id, source, kind, key, content_hash, conflict, received_at, state, reason, detail, ended_at, subject_id, sip_key, session_key, drop_late, headers, redeliveries, name, session_id, log_id, client_address, endpoint, request_headers) VALUES
  (3, 's', 'cdr', X'f0fb44edb700243882942777181e3fb65f78bcbac1e9ff7f79f524cae950aa23', X'3d2fc3d84bba3b71603da0d06f22e2eb8a4948a0ba0b914eb11d26f7fbab0177', 0, 1772366400000000000, 'pending', '', '', 0, 3, X'f81ea6a2cd2cda085370aa148117d33bb1ed77f644f132a84814ced4f09bb920', NULL, 0, NULL, 0, 'cdr_logged', 'sent', '', '', '', NULL);
INSERT INTO event (id, source, kind, key, content_hash, conflict, received_at, state, reason, detail, ended_at, subject_id, sip_key, session_key, drop_late, headers, redeliveries, name, session_id, log_id, client_address, endpoint, request_headers) VALUES
  (4, 's', 'message', X'aa030036b82d7490b6d8b063cfbd23b80f0a7b23cf1b8dc31f2460c4d640013a', X'33253d3258a379dbc42847f279bbbf441fa1c115add2e3ad00ae7799edc13ef6', 0, 1772366400000000000, 'pending', '', '', 0, 4, X'a2b51367c60a8639137dfeaf9e7f24dbb5bedbda9ff5a00a2ad4ce44a1352872', X'1500cbbe6f58a45351b2c950e277fa7438957a16170cab4a6da378308ed2c919', 0, X'7b2278223a2279227d', 0, 'message_logged', 'exported', 'late', '', '', NULL);
INSERT INTO event (id, source, kind, key, content_hash, conflict, received_at, state, reason, detail, ended_at, subject_id, sip_key, session_key, drop_late, headers, redeliveries, name, session_id, log_id, client_address, endpoint, request_headers) VALUES
  (5, 's', 'message', X'c23e58843778067894778b1b0cc2f69c041a8b4a482a4fd5a9a858a276de1f65', X'7f44bcf3bd0a482765116fd552ab321d336da8905a4c77683baa2711b1603d44', 0, 1772366400000000000, 'dropped', 'late', '', 1772366400000000000, NULL, X'a2b51367c60a8639137dfeaf9e7f24dbb5bedbda9ff5a00a2ad4ce44a1352872', X'1500cbbe6f58a45351b2c950e277fa7438957a16170cab4a6da378308ed2c919', 1, X'7b2278223a2279227d', 0, 'message_logged', 'exported', 'dropped', '', '', NULL);
INSERT INTO event (id, source, kind, key, content_hash, conflict, received_at, state, reason, detail, ended_at, subject_id, sip_key, session_key, drop_late, headers, redeliveries, name, session_id, log_id, client_address, endpoint, request_headers) VALUES
  (6, 's', 'message', X'235469b7a4b6aa2022d55b6141ad625637dad18bfd2420014d45d70ee9fde34f', X'0c4937cacc8caad5e94b473e95e218fe437697e9f4cebab740c72c6a48954f65', 0, 1772366400000000000, 'pending', '', '', 0, 5, X'38b3a90b53bf090e3de18b6e99d688c859a6c3385acaca0f5baf2f47b3811c3e', X'57ebdd45b82596d544660d5913565cf10990b17dc727020b0dce8cbc2abc168c', 0, X'7b2278223a2279227d', 0, 'message_logged', 'open', 'there', '', '', NULL);
INSERT INTO event (id, source, kind, key, content_hash, conflict, received_at, state, reason, detail, ended_at, subject_id, sip_key, session_key, drop_late, headers, redeliveries, name, session_id, log_id, client_address, endpoint, request_headers) VALUES
  (7, 's', 'cdr', X'eaad42826b314c3e8dfcc38c5b318327ba43fb0940cb9cf16b32b8279ca049f3', X'c0e85299c4bc4d8ce2a340e4e9835f929d20e6b0d15df0dd01a0b880980c5a10', 0, 1772366400000000000, 'pending', '', '', 0, 5, X'38b3a90b53bf090e3de18b6e99d688c859a6c3385acaca0f5baf2f47b3811c3e', NULL, 0, NULL, 0, 'cdr_logged', 'open', '', '', '', NULL);
INSERT INTO event (id, source, kind, key, content_hash, conflict, received_at, state, reason, detail, ended_at, subject_id, sip_key, session_key, drop_late, headers, redeliveries, name, session_id, log_id, client_address, endpoint, request_headers) VALUES
  (8, 's', 'message', X'6658062d14e27b703168ded65d4797e6ecf94a57c9be59154515a61ff21bd58f', X'a4f61b98ceff79d284d2f0684dd287bd110921f422e96a6150003a086eaed7e3', 0, 1772366400000000000, 'pending', '', '', 0, 6, X'7165e670d5e1d9c186275e7af636d3ad4eb274a5841663a9d3b0504e1717d943', X'44c58f28a2c72dfe01a5e8ed1c03a469aa23c0c5c91d448a349b698cbc006af5', 0, X'7b2278223a2279227d', 0, 'message_logged', 'conversation', 'alone', '', '', NULL);
INSERT INTO body (event_id, bytes) VALUES
  (1, X'0e3463647220756e6d61707061626c65');
INSERT INTO body (event_id, bytes) VALUES
  (4, X'0c2c6d657373616765206c617465');
INSERT INTO body (event_id, bytes) VALUES
  (6, X'0d306d657373616765207468657265');
INSERT INTO body (event_id, bytes) VALUES
  (7, X'081c636472206f70656e');
INSERT INTO body (event_id, bytes) VALUES
  (8, X'0d306d65737361676520616c6f6e65');
INSERT INTO subject (id, source, kind, state, reason, due_at, not_before, claim_token, claim_until, gather_key, sip_key, messages, missing, orphans, call_id, trace_id, span_id, start_ns, end_ns, named, assembled_at, open_parts, bodies, settled_at, stripped) VALUES
  (1, 's', 'call', 'dead', 'complete', 1772366400000000000, 0, NULL, 0, NULL, NULL, 0, 0, 0, X'756e6d61707061626c65', X'07750000000000000000000000000000', NULL, 0, 0, 0, 1772366400000000000, 0, 0, NULL, 0);
INSERT INTO subject (id, source, kind, state, reason, due_at, not_before, claim_token, claim_until, gather_key, sip_key, messages, missing, orphans, call_id, trace_id, span_id, start_ns, end_ns, named, assembled_at, open_parts, bodies, settled_at, stripped) VALUES
  (2, 's', 'call', 'assembled', 'grace', 1772366400000000000, 0, NULL, 0, NULL, NULL, 0, 1, 0, X'6578706f72746564', X'07650000000000000000000000000000', X'0102000000000000', 1, 9, 0, 1772366400000000000, 0, 0, 1772366400000000000, 0);
INSERT INTO subject (id, source, kind, state, reason, due_at, not_before, claim_token, claim_until, gather_key, sip_key, messages, missing, orphans, call_id, trace_id, span_id, start_ns, end_ns, named, assembled_at, open_parts, bodies, settled_at, stripped) VALUES
  (3, 's', 'call', 'assembled', 'complete', 1772366400000000000, 0, NULL, 0, NULL, NULL, 0, 0, 0, X'73656e74', X'07730000000000000000000000000000', X'0103000000000000', 1, 9, 0, 1772366400000000000, 1, 0, NULL, 0);
INSERT INTO subject (id, source, kind, state, reason, due_at, not_before, claim_token, claim_until, gather_key, sip_key, messages, missing, orphans, call_id, trace_id, span_id, start_ns, end_ns, named, assembled_at, open_parts, bodies, settled_at, stripped) VALUES
  (4, 's', 'late', 'open', 'late', 1772366400000000000, 0, NULL, 0, NULL, NULL, 1, 0, 0, X'6578706f72746564', X'07650000000000000000000000000000', X'0200000000000000', 2, 3, 1, 0, 0, 0, NULL, 0);
INSERT INTO subject (id, source, kind, state, reason, due_at, not_before, claim_token, claim_until, gather_key, sip_key, messages, missing, orphans, call_id, trace_id, span_id, start_ns, end_ns, named, assembled_at, open_parts, bodies, settled_at, stripped) VALUES
  (5, 's', 'call', 'open', 'grace', 1772366460000000000, 0, NULL, 0, NULL, NULL, 0, 1, 0, X'6f70656e', X'076f0000000000000000000000000000', NULL, 0, 0, 0, 0, 0, 0, NULL, 0);
INSERT INTO subject (id, source, kind, state, reason, due_at, not_before, claim_token, claim_until, gather_key, sip_key, messages, missing, orphans, call_id, trace_id, span_id, start_ns, end_ns, named, assembled_at, open_parts, bodies, settled_at, stripped) VALUES
  (6, 's', 'conversation', 'open', 'window', 1772380800000000000, 0, NULL, 0, X'7344c58f28a2c72dfe01a5e8ed1c03a469aa23c0c5c91d448a349b698cbc006af5', X'7165e670d5e1d9c186275e7af636d3ad4eb274a5841663a9d3b0504e1717d943', 1, 0, 0, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, NULL, 0);
INSERT INTO turn (id, source, log_key, subject_id, span_id, start_ns, end_ns) VALUES
  (1, 's', X'aa030036b82d7490b6d8b063cfbd23b80f0a7b23cf1b8dc31f2460c4d640013a', 2, X'0200000000000000', 2, 3);
INSERT INTO turn (id, source, log_key, subject_id, span_id, start_ns, end_ns) VALUES
  (2, 's', X'235469b7a4b6aa2022d55b6141ad625637dad18bfd2420014d45d70ee9fde34f', 5, NULL, 0, 0);
INSERT INTO turn (id, source, log_key, subject_id, span_id, start_ns, end_ns) VALUES
  (3, 's', X'217f9c1c3cd1184ace131569b668d98058e4cc5c35bf75406ab54ed238d2a594', 5, NULL, 0, 0);
INSERT INTO alias (source, key, call, subject_id) VALUES
  ('s', X'63f772082d1dcab70a98ea4d4edd3597ff97e05f61d5e4ad3b85478c4b0851528f', 1, 1);
INSERT INTO alias (source, key, call, subject_id) VALUES
  ('s', X'738b7ef082cb0993b6a2255fe70823adfc0d2e2809eb99037db819dc7fe699d204', 1, 1);
INSERT INTO alias (source, key, call, subject_id) VALUES
  ('s', X'63a2b51367c60a8639137dfeaf9e7f24dbb5bedbda9ff5a00a2ad4ce44a1352872', 1, 2);
INSERT INTO alias (source, key, call, subject_id) VALUES
  ('s', X'731500cbbe6f58a45351b2c950e277fa7438957a16170cab4a6da378308ed2c919', 1, 2);
INSERT INTO alias (source, key, call, subject_id) VALUES
  ('s', X'63f81ea6a2cd2cda085370aa148117d33bb1ed77f644f132a84814ced4f09bb920', 1, 3);
INSERT INTO alias (source, key, call, subject_id) VALUES
  ('s', X'736e431fe8b72f0c019240d3db26920bd09ef06d256954dbd0ec52aaf01718ae04', 1, 3);
INSERT INTO alias (source, key, call, subject_id) VALUES
  ('s', X'6338b3a90b53bf090e3de18b6e99d688c859a6c3385acaca0f5baf2f47b3811c3e', 1, 5);
INSERT INTO alias (source, key, call, subject_id) VALUES
  ('s', X'7357ebdd45b82596d544660d5913565cf10990b17dc727020b0dce8cbc2abc168c', 1, 5);
INSERT INTO alias (source, key, call, subject_id) VALUES
  ('s', X'637165e670d5e1d9c186275e7af636d3ad4eb274a5841663a9d3b0504e1717d943', 0, 6);
INSERT INTO alias (source, key, call, subject_id) VALUES
  ('s', X'7344c58f28a2c72dfe01a5e8ed1c03a469aa23c0c5c91d448a349b698cbc006af5', 0, 6);
INSERT INTO outbox (id, subject_id, signal, part, state, created_at, attempts, first_failed_at, last_error, claim_token, claim_until) VALUES
  (1, 2, 'traces', 0, 'done', 1772366400000000000, 0, 0, '', NULL, 0);
INSERT INTO outbox (id, subject_id, signal, part, state, created_at, attempts, first_failed_at, last_error, claim_token, claim_until) VALUES
  (2, 3, 'traces', 0, 'pending', 1772366400000000000, 0, 0, '', NULL, 0);
INSERT INTO request (outbox_id, bytes) VALUES
  (1, X'28b52ffd040081000072657175657374206578706f72746564523fa548');
INSERT INTO request (outbox_id, bytes) VALUES
  (2, X'28b52ffd0400610000726571756573742073656e74401fa85f');
INSERT INTO ledger (source, state, n) VALUES
  ('s', 'accepted', 8);
INSERT INTO ledger (source, state, n) VALUES
  ('s', 'dead', 1);
INSERT INTO ledger (source, state, n) VALUES
  ('s', 'dropped', 1);
INSERT INTO ledger (source, state, n) VALUES
  ('s', 'exported', 1);
INSERT INTO ledger (source, state, n) VALUES
  ('s', 'pending', 5);
INSERT INTO source (name, first_at, message_at) VALUES
  ('s', 1772366400000000000, 1772366400000000000);
