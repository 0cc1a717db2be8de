"""Sections 4 to 12: tasks, statuses, the socket, webhooks, tools, parameters, the model, and each client."""

from tests.conformance.table import (
    clients,
    files,
    generation,
    limits,
    live_runs,
    live_socket,
    live_tools,
    live_webhook,
    llms,
    page,
    parameters,
    row,
    task_object,
    tool_statistics,
    tools,
    transport,
    webhooks,
    websocket,
)

EVERYONE = clients("test_s12_a_style_finds_runs_follows_and_fetches")
FAILING = clients("test_s05_a_style_calls_a_failed_run_failed")

TASKS = (
    row("4/keys", "all fields of the page", task_object("test_a_task_has_these_keys")),
    row(
        "4/strings",
        "scalars are strings",
        task_object("test_trap_07_scalars_are_strings"),
        live_runs("test_s04_a_task_drawn_with_either_engine_has_the_same_shape"),
        EVERYONE,
    ),
    row("4/parameters", "the echo of the request", task_object("test_parameters_are_echoed_as_they_came")),
    row(
        "4/times",
        'unix seconds; "0" for never, "" for a start or end not known',
        task_object("test_times_are_unix_seconds_zero_for_never_and_empty_for_unknown_start_and_end"),
        EVERYONE,
    ),
    row(
        "4/cost",
        "numeric text; 0 if failed or free",
        limits("test_a_price_is_kept_with_its_task_and_paid_for_success_only"),
    ),
    row("4/size", "the sum of the outputs", task_object("test_sizes_add_up")),
    row("4/model", "clean slugs of the model", task_object("test_the_models_names")),
    row("4/output", "an output's fields", task_object("test_an_output_has_these_keys_and_types"), EVERYONE),
    row("4/order", "in the order of samples, 0.png first", page("test_the_pasted_request_runs_to_four_pictures")),
    row("4/get", "type and length of a file", files("test_trap_29_headers"), transport("test_trap_08_head"), EVERYONE),
)
STATUSES = (
    row(
        "5/order",
        "the statuses, in this order",
        live_runs("test_s05_a_task_goes_through_its_statuses_in_order"),
        live_runs("test_s05_a_task_that_fails_goes_through_the_same"),
        websocket("test_the_story_of_a_success", "test_trap_22_the_story_of_a_failure"),
    ),
    row("5/cancel", "`task_cancel` at any time", websocket("test_the_story_of_a_stopped_task")),
    row("5/success", "each client's test of success says success", EVERYONE),
    row("5/failure", "each client's test of success says failure", FAILING),
    row("5/cancelled", "each client's reading of a stop", clients("test_s03_5_a_style_kills_what_is_running")),
)
SOCKET = (
    row(
        "6/open",
        "at /v1, no key, no query, no subprotocol",
        live_socket("test_s06_anyone_may_open_a_socket_without_a_key_or_a_query"),
    ),
    row("6/subprotocol", "none is promised", live_socket("test_s06_a_subprotocol_is_not_needed_and_not_promised")),
    row("6/register", "in any writing", websocket("test_a_registration_in_any_writing"), EVERYONE),
    row(
        "6/messages",
        "null, a string, the log, the outputs: each type its own",
        websocket("test_messages_of_a_success", "test_trap_14_messages_of_a_failure"),
    ),
    row("6/cancel", "the frame of a stop", live_socket("test_s06_a_cancelled_task_ends_with_a_frame_of_its_own")),
    row("6/progress", "the progress object", websocket("test_progress"), EVERYONE),
    row("6/welcome", "`connected` first", websocket("test_the_welcome")),
    row(
        "6/bad-registration",
        "an error frame, and the socket stays",
        websocket("test_trap_09_a_registration_without_a_token_is_refused_and_the_socket_stays"),
        websocket("test_trap_09_an_unknown_token_is_refused_and_the_socket_stays"),
    ),
    row("6/junk", "dropped silently", websocket("test_trap_09_junk_is_dropped_silently")),
    row(
        "6/several",
        "several tokens, repeats",
        websocket("test_several_tokens_on_one_socket", "test_repeats_are_no_ops"),
    ),
    row(
        "6/limits",
        "text frames within every client's limit, none binary",
        live_socket("test_s06_the_frames_of_a_drawing_are_whole_short_and_complete"),
        EVERYONE,
    ),
    row(
        "6/closing",
        "the client closes first, by 1000 or 1001",
        live_socket("test_s06_a_client_that_closes_first_is_answered_in_kind"),
        websocket("test_trap_09_the_socket_stays_open_until_the_client_closes"),
    ),
    row("6/late", "whoever comes late", clients("test_s06_a_style_that_comes_late_is_told_all_the_same")),
    row("6/heartbeat", "pings of the protocol alone", websocket("test_heartbeats_are_pings_of_the_protocol")),
)
WEBHOOK = (
    row("7/echo", "`callbackurl` in the task", task_object("test_trap_28_the_callback_url_is_echoed")),
    row(
        "7/body",
        "one body that fits all guesses, no auth headers, the query kept",
        webhooks("test_the_end_of_a_task_is_told_in_one_body_that_fits_all_guesses"),
        live_webhook("test_s07_trap_28_a_backend_reads_the_list_or_the_flat_object"),
    ),
    row("7/failed", "failures are told", live_webhook("test_s07_a_failed_task_is_told_with_its_reason")),
    row("7/again", "more than one attempt", live_webhook("test_s07_a_receiver_that_fails_is_asked_again")),
    row(
        "7/cancel",
        "a stop is told if it interrupted work",
        webhooks("test_a_kill_that_interrupted_work_is_told_and_a_cancel_in_the_queue_is_not"),
    ),
)
TOOLS = (
    row("8/item", "fields and types", tools("test_3_8_every_model_decodes", "test_8_the_names"), EVERYONE),
    row("8/image", "an address anyone may get", tools("test_8_the_image_can_be_fetched_without_credentials")),
    row("8/price", "an array written as text, of numbers", live_tools("test_s08_a_price_reads_in_every_way")),
    row("8/taskstat", "counts of the runs", tool_statistics("test_8_counts_follow_the_runs")),
    row(
        "8/detail",
        "readme and examples",
        tools("test_8_the_readme_is_html_with_every_parameter", "test_8_every_inspiration_runs"),
    ),
    row("8/summary", "parameters may be null", tools("test_3_7_a_summary_has_no_parameters")),
    row("9/groups", "groups of items, strings where strings are", tools("test_3_8_every_model_decodes"), EVERYONE),
    row("9/types", "types that every SDK knows", live_tools("test_s09_every_type_is_one_that_the_sdks_know"), EVERYONE),
    row(
        "9/select",
        "string options, the default among them",
        live_tools("test_s09_a_select_holds_its_default"),
        EVERYONE,
    ),
    row(
        "9/dart",
        "a refiner left out is the card's, as Dart can't send an empty one",
        clients("test_s09_a_refiner_left_out_is_the_cards_as_dart_must_do"),
    ),
    row(
        "9/numeric",
        "absent numbers are left out",
        tools("test_trap_18_required_is_a_boolean_and_absent_numbers_are_left_out"),
    ),
    row("9/schema", "what the schema allows runs", tools("test_9_what_the_schema_says_is_what_run_takes")),
    row(
        "9/prompt",
        "a blank prompt is refused by the server",
        parameters("test_a_blank_prompt_is_missing", "test_an_absent_prompt_is_missing"),
    ),
)
MODEL = (
    row(
        "10/schema",
        "ids, types and the page's defaults",
        tools("test_10_the_types_of_the_models_parameters", "test_10_the_pages_defaults"),
    ),
    row(
        "10/refiner",
        "what refiner, fraction and steps mean",
        live_runs("test_s10_trap_15_what_refiner_fraction_and_steps_mean"),
        generation("test_base_only"),
    ),
    row(
        "10/seed",
        "random where unset, another for each sample",
        live_runs("test_s10_the_same_seed_draws_the_same_and_each_sample_another", "test_s10_an_unset_seed_is_random"),
    ),
    row(
        "10/scheduler",
        "all seven",
        live_runs("test_s10_every_scheduler_of_the_select_draws"),
        parameters("test_every_schedulers_name_is_taken"),
    ),
    row(
        "10/page",
        "the page's own request, within 120 s",
        live_runs("test_s00_trap_15_the_request_of_the_model_page_runs_as_pasted"),
    ),
    row("10/aliases", "n8n's slugs", EVERYONE),
    row("11/zod", "what zod insists on", EVERYONE, FAILING),
    row(
        "13/llms",
        "llms.txt and llms-full.txt",
        llms(
            "test_wiros_name_categories_tags_and_types",
            "test_the_long_text_adds_the_other_calls_the_socket_and_samples",
        ),
    ),
)
CLIENTS = (
    row("12/every-style", "every client style finds, runs, follows and fetches", EVERYONE),
    row("12/one-port", "HTTP under /v1 and the socket at /v1, on one port", EVERYONE),
    row(
        "12/localhost", "React Native's loopback names", clients("test_s12_react_native_may_call_the_server_localhost")
    ),
    row(
        "12/public-base",
        "addresses of files by configuration, else Host and X-Forwarded-*",
        transport("test_trap_08_urls_carry_the_name_the_client_used", "test_trap_08_urls_carry_the_configured_name"),
        transport("test_trap_08_urls_carry_the_name_a_proxy_was_called_by"),
    ),
    row(
        "12/pointing",
        "the README says how each client is pointed here",
        clients("test_s12_the_readme_says_how_each_client_is_pointed_here"),
    ),
)
