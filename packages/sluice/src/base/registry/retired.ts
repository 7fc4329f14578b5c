/**
 * Errors that were. Their names and numbers are never given to others, and `sluice explain` says which one took their place: ledgers, reports and
 * alerts of earlier versions name them.
 */
export const retiredErrors = {
  SLU3007: { name: 'Source.TooManyRefused', replacedBy: 'Quality.TooManyRefused' },
  SLU3015: { name: 'Source.RowCount', replacedBy: 'Quality.RowCount' },
  SLU3020: { name: 'Source.CheckFailed', replacedBy: 'Quality.ChecksFailed' },
  SLU3036: { name: 'Source.CallRowCount', replacedBy: 'Quality.RowCount' },
  SLU3037: { name: 'Source.TooManyRowsRefused', replacedBy: 'Quality.TooManyRefused' },
  SLU3038: { name: 'Source.CallCheckFailed', replacedBy: 'Quality.ChecksFailed' },
  SLU3263: { name: 'Changes.TooManyRefused', replacedBy: 'Quality.TooManyRefused' },
} as const
