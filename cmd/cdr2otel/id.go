package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"cdr2otel/exporter/config"
	"cdr2otel/mapping"
)

func idCommand() *cobra.Command {
	var source, logID string
	var identity mapping.Identity
	var sessionID string
	c := &cobra.Command{
		Use:   "id (--sip-call-id X | --session-id X | --call-id X)",
		Short: "Print the trace id of a call, and the span ids of a turn",
		Long: "Ids are computed from the payload, so they are known before the call is exported. A call\n" +
			"with a SIP Call-ID has the id of --sip-call-id. Use --call-id (global_session_id) or\n" +
			"--session-id for what has none, such as a web chat.",
		Example: "  cdr2otel id --source live --sip-call-id 17465345_115257202@10.90.150.99\n" +
			"  cdr2otel id --sip-call-id 17465345_115257202@10.90.150.99 --log-id 58bebfd1-0118-419b-a555-b152a1efbbe8",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if sessionID != "" {
				identity.SessionIDs = []string{sessionID}
			}
			kind, seed := mapping.Seed(identity, [32]byte{})
			if kind == mapping.SeedContentHash {
				return fmt.Errorf("the id is empty; name the one the payload carries")
			}
			trace := mapping.NewTraceID(source, kind, seed)
			fmt.Fprintf(c.OutOrStdout(), "trace         %s\n", trace)
			if logID != "" {
				turn := mapping.TurnPath(logID)
				fmt.Fprintf(c.OutOrStdout(), "turn          %s\n", trace.Span(turn))
				fmt.Fprintf(c.OutOrStdout(), "invoke_agent  %s\n", trace.Span(mapping.AssistantPath(turn)))
			}
			return nil
		},
	}
	c.Flags().StringVar(&source, "source", config.DefaultSource, "configured name of the source")
	c.Flags().StringVar(&identity.SIPCallID, "sip-call-id", "", "SIP Call-ID")
	c.Flags().StringVar(&sessionID, "session-id", "", "session_id of a conversation without a call")
	c.Flags().StringVar(&identity.GlobalSessionID, "call-id", "", "global_session_id of a call without a SIP Call-ID")
	c.Flags().StringVar(&logID, "log-id", "", "log_id of a turn: also print the ids of its spans")
	c.MarkFlagsOneRequired("sip-call-id", "session-id", "call-id")
	c.MarkFlagsMutuallyExclusive("sip-call-id", "session-id", "call-id")
	return c
}
