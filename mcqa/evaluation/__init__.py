"""Statistics over arrays and predictions: no model, no torch.

Import from the modules: this one stays empty, so that reading a prediction does not load scipy.

    predictions    answers, and the file that holds them
    answers        a run as arrays: `Answers.of(predictions)`, which most functions take
    metrics        accuracy, Wilson's interval, `summarize`: what `metrics.json` says
    measures       `describe_run`: every metric of a run with n and interval, and its curves
    groups         `describe_groups`: the same per subject or number of options
    comparison     `compare`, `compare_many`: what `comparison.json` says; `joint_test`: Cochran's Q
    pairing        `align_answers`: two runs question by question
    paired         `describe_pair`: every metric's difference, tests, agreement
    calibration    `fit_temperature`, `apply_temperature`, `describe_calibration`
    bias           `describe_positions`: recall per gold position, RStd, what is chosen
    permutations   `permutations`, `restore`, `describe_permutations`: options in other orders
    pride          `estimation_sample`, `pride`: letters without the model's prior for them
    combination    `average`, `fit_stack`, `stack`, `either_right`: two runs together

What these rest on: `quality` and `confidence` (the metrics themselves), `resampling` (the
bootstrap), `significance` (the tests), `verdict` (the words).
"""
