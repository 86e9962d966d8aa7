// The router of fiancee_hub/core/router.py: which exit a budget buys.

/** Budgets are compared with this much to spare, as rounding may have moved them. */
const SLACK = 1e-9;

/**
 * The calibrated budget that stands in for `budget`, and its margin (null: full depth).
 * @param {{budgets: number[], margins: (number | null)[]}} calibration
 * @param {number} budget LPIPS
 */
export function rule({ budgets, margins }, budget) {
  const position = budgets.findLastIndex((tested) => tested - SLACK <= budget);
  if (position < 0) return { tested: budget, margin: null };
  const margin = margins[position];
  return { tested: budgets[position], margin: margin === null ? null : Math.max(margin, 0) };
}

/**
 * The cheapest exit within the budget, 1 to K; K, full depth, if no branch is.
 * @param {{mean: Float32Array, spread: Float32Array}} prediction of every branch
 * @param {number} budget LPIPS
 * @param {object | null} calibration null takes the mean at its word
 */
export function route({ mean, spread }, budget, calibration) {
  const { tested, margin } = calibration ? rule(calibration, budget) : { tested: budget, margin: 0 };
  if (margin === null) return mean.length + 1;
  const single = Math.fround;
  const found = mean.findIndex((value, branch) => {
    const bound = single(value + single(single(margin) * spread[branch]));
    return bound <= single(tested);
  });
  return found < 0 ? mean.length + 1 : found + 1;
}

/**
 * The fastest exit within the budget, by milliseconds that were measured here.
 * @param {number[]} times of exits 1 to K; NaN where nothing was measured yet
 */
export function fastest(prediction, budget, calibration, times) {
  const cheapest = route(prediction, budget, calibration);
  let best = cheapest;
  for (let exit = cheapest + 1; exit <= times.length; exit++) {
    if (times[exit - 1] < times[best - 1]) best = exit;
  }
  return best;
}
