"""Statistics over arrays and predictions: no model, no torch.

Import from the modules: this one stays empty, so that reading a prediction does not load scipy.

    predictions    answers, and the file that holds them
    answers        a run as arrays: `Answers.of(predictions)`, which most functions take
    pairing        `align`: several runs as arrays, question by question
    table          `METRICS`: what each metric is called, which way is better, its interval
    metrics        Wilson's interval, `summarize`: what `metrics.json` says
    measures       `describe_run`: every metric of a run with n and interval, and its curves
    groups         `describe_groups`: the same per subject or number of options
    comparison     `compare`, `compare_many`: what `comparison.json` says; `joint_test`: Cochran's Q
    paired         `describe_pair`: every metric's difference, tests, agreement
    calibration    `fit_temperature`, `apply_temperature`, `describe_calibration`
    bias           `describe_positions`: recall per gold position, RStd, what is chosen
    orders         `choose_orders`, `restore`, `describe_orders`: options in other orders
    pride          `estimation_sample`, `pride`: letters without the model's prior for them
    combination    `average`, `fit_stack`, `stack`: two runs together

What these rest on: `quality` and `confidence` (the metrics themselves), `resampling` (the
bootstrap), `significance` (the tests), `verdict` (the words).
"""
