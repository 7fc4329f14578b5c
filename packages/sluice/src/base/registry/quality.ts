/** 5xxx: checks, quarantine, accounting. */
import { entry } from './entry.ts'

/** Errors of data quality. */
export const qualityErrors = {
  'Quality.RowsUnaccounted': entry<{
    what: string
    read: number
    accepted: number
    quarantined: number
    dropped: number
  }>({
    code: 'SLU5001',
    title: 'Rows are not accounted for.',
    message: ({ what, read, accepted, quarantined, dropped }) =>
      `${what}: ${read} rows were read, but ${accepted} accepted + ${quarantined} quarantined + ${dropped} dropped make ${accepted + quarantined + dropped}. Nothing was published.`,
    hint: () =>
      'This is a bug in Sluice: please report it with the file, if you can. The earlier version is still current.',
    retry: 'terminal',
    exit: 70,
  }),
}
