/** 5xxx: checks, quarantine, accounting. */
import { entry } from './entry.ts'

type RefusedOf = 'file' | 'call' | 'changes' | 'table'

/** What is still safe where rows were refused as a whole, by what they are of. */
function stillSafe(of: RefusedOf): string {
  switch (of) {
    case 'file':
      return 'The delivered file is kept untouched in the error folder, with a report, and the table is as it was.'
    case 'call':
      return 'Nothing of this call was published; the table is as it was.'
    case 'changes':
      return 'The table stays as it is, the log keeps every change, and other tables of the source go on.'
    default:
      return 'The version before it is still current.'
  }
}

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
  'Quality.ColumnInvalid': entry<{ column: string; why: string }>({
    code: 'SLU5002',
    title: 'A column is declared in a way that cannot be read.',
    message: ({ column, why }) => `Column "${column}" cannot be read as it is declared: ${why}.`,
    hint: () => 'Nothing was read. Correct the column in the pipeline, then run: sluice check',
    retry: 'terminal',
    exit: 2,
    explanation:
      'Types, patterns, zones and separators are declared, never guessed (faults IN-14, IN-15, IN-16), so a declaration that contradicts itself stops before the first row.',
  }),
  'Quality.RowsMissing': entry<{ what: string; accepted: number; written: number }>({
    code: 'SLU5003',
    title: 'The written files do not hold the accepted rows.',
    message: ({ what, accepted, written }) =>
      `${what}: ${accepted} rows were accepted, but the written files hold ${written}. Nothing was published.`,
    hint: () =>
      'This is a bug in Sluice: please report it with the file, if you can. The earlier version is still current.',
    retry: 'terminal',
    exit: 70,
  }),
  'Quality.ChecksFailed': entry<{ what: string; of: RefusedOf; checks: readonly string[] }>({
    code: 'SLU5004',
    title: 'Checks do not hold.',
    message: ({ what, of, checks }) =>
      of === 'table'
        ? `Table "${what}" was not published, because checks do not hold: ${checks.join('; ')}.`
        : `"${what}" was refused as a whole, because checks do not hold: ${checks.join('; ')}.`,
    hint: ({ what, of }) =>
      of === 'table'
        ? `${stillSafe(of)} Look at what was measured with: sluice quality ${what}`
        : `${stillSafe(of)} Correct the rows, then: sluice run`,
    retry: 'terminal',
    exit: 1,
  }),
  'Quality.CheckInvalid': entry<{ check: string; detail: string }>({
    code: 'SLU5005',
    title: 'A check cannot be run.',
    message: ({ check, detail }) => `Check "${check}" cannot be run: ${detail}`,
    hint: () => 'Nothing was published. Correct the check in the pipeline, then run: sluice check',
    retry: 'terminal',
    exit: 2,
  }),
  'Quality.BytesUnaccounted': entry<{ what: string; total: number; header: number; records: number }>({
    code: 'SLU5006',
    title: 'Bytes are not accounted for.',
    message: ({ what, total, header, records }) =>
      `${what}: the file has ${total} bytes, but header (${header}) and records (${records}) make ${header + records}. Nothing was published.`,
    hint: () =>
      'This is a bug in Sluice: please report it with the file, if you can. The earlier version is still current.',
    retry: 'terminal',
    exit: 70,
  }),
  'Quality.DropsGained': entry<{ table: string; from: string; read: number; made: number }>({
    code: 'SLU5007',
    title: 'A table that declares drops has gained rows.',
    message: ({ table, from, read, made }) =>
      `"${table}" declares that it drops rows of "${from}", but it made ${made} rows of ${read}. Nothing was published.`,
    hint: () =>
      'Look for a join that multiplies rows, or remove the declaration. The earlier version is still current.',
    retry: 'terminal',
    exit: 1,
  }),
  'Quality.NothingToReplay': entry<{ table: string }>({
    code: 'SLU5008',
    title: 'There are no refused rows to deliver again.',
    message: ({ table }) =>
      `Nothing that "${table}" refused is to be delivered again: nothing was refused, all of it was delivered again, or its definition is still the one that refused it.`,
    hint: ({ table }) =>
      `Nothing was changed. See what was refused with: sluice quarantine ${table}; then change the definition, or fix the rows of: sluice quarantine export ${table} -o refused`,
    retry: 'terminal',
    exit: 2,
  }),
  'Quality.NothingToDismiss': entry<{ table: string; version?: number }>({
    code: 'SLU5012',
    title: 'There are no refused rows to dismiss.',
    message: ({ table, version }) =>
      `Nothing that "${table}" refused${version === undefined ? '' : ` in version ${version}`} is in quarantine.`,
    hint: ({ table }) =>
      `Nothing was changed. See what is in quarantine, and of which version, with: sluice quarantine ${table}`,
    retry: 'terminal',
    exit: 2,
  }),
  'Quality.NotReplayable': entry<{ table: string; why: string }>({
    code: 'SLU5009',
    title: 'Refused rows of this source cannot be delivered again.',
    message: ({ table, why }) => `The refused rows of "${table}" cannot be delivered again by themselves: ${why}.`,
    hint: ({ table }) =>
      `Nothing was changed. Take the rows out with: sluice quarantine export ${table} -o refused; fix them, and deliver them as part of a whole file.`,
    retry: 'terminal',
    exit: 2,
    explanation: 'P5: refused records are driven again once, through the way that every delivery takes.',
  }),
  'Quality.TooManyRefused': entry<{ what: string; of: RefusedOf; limit: string; reasons: string }>({
    code: 'SLU5010',
    title: 'Too many rows were refused.',
    message: ({ what, limit, reasons }) => `"${what}" was refused as a whole: ${limit}. By reason: ${reasons}.`,
    hint: ({ of }) =>
      `${stillSafe(of)} If that many are expected, raise the limit: quarantine: { maxShare: … }, then: sluice run`,
    retry: 'terminal',
    exit: 1,
    explanation:
      'Faults IN-01, IN-05, SR-06. A refused row is kept in quarantine; beyond the declared limits nothing of the file, the call or the changes is published.',
  }),
  'Quality.RowCount': entry<{ what: string; of: RefusedOf; why: string }>({
    code: 'SLU5011',
    title: 'The number of rows is not to be believed.',
    message: ({ what, why }) => `"${what}" was refused as a whole: it has ${why}.`,
    hint: ({ of }) => `${stillSafe(of)} If that is to be expected, change \`rowCount\` of the source, then: sluice run`,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault IN-12: the guard decides about empty files and results, too.',
  }),
}
