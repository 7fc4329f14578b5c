/** Looks at the servers whose changes are captured. */
import { isSluiceError } from '../../base/errors.ts'
import { mib } from '../../sources/cdc/lag.ts'
import type { CdcControl, CdcStatus, Finding } from '../api.ts'

/**
 * A log of changes: what a run needs on its server, how far behind it is, and the tables that wait for a person.
 *
 * @example await examineChanges('raw.shop', control) // [{ name: 'raw.shop', status: 'ok', detail: 'slot sluice_shop, ready' }]
 */
export async function examineChanges(log: string, control: CdcControl): Promise<readonly Finding[]> {
  try {
    return findingsOf(log, await control.status())
  } catch (error) {
    if (!isSluiceError(error)) throw error
    const { message: detail, hint } = error
    return [{ name: log, status: 'fail', detail, ...(hint === undefined ? {} : { fix: hint }) }]
  }
}

/** What is well is one line; what is not has one each. */
function findingsOf(log: string, { slot, slotStatus, lag, findings, tables }: CdcStatus): readonly Finding[] {
  const wrong = findings.flatMap(({ name, status, detail, fix }): Finding[] =>
    status === 'ok' ? [] : [{ name: log, status, detail: `${name}: ${detail}`, ...(fix === undefined ? {} : { fix }) }],
  )
  const waiting = tables.flatMap(({ table, status, detail = status }): Finding[] =>
    status === 'paused'
      ? [{ name: log, status: 'warn', detail: `${table} waits: ${detail}`, fix: `sluice cdc accept ${log} ${table}` }]
      : [],
  )
  const late: readonly Finding[] =
    lag === undefined || lag.level === 'ok'
      ? []
      : [
          {
            name: log,
            status: 'warn',
            detail: `${mib(lag.bytes)} behind; the server keeps ${mib(lag.keptBytes)} for it`,
            fix: 'sluice run',
          },
        ]
  const problems = [...wrong, ...waiting, ...late]
  return problems.length > 0 ? problems : [{ name: log, status: 'ok', detail: `slot ${slot}, ${slotStatus}` }]
}
