import { expect, test } from 'vitest'
import { sluiceError } from '../../base/errors.ts'
import type { CdcControl, CdcStatus } from '../api.ts'
import { examineChanges } from './changes.ts'

const well: CdcStatus = {
  ...{ table: 'raw.shop', connection: 'oltp', slot: 'sluice_shop', publication: 'sluice_shop', slotStatus: 'ready' },
  lag: { bytes: 100, keptBytes: 200, level: 'ok' },
  tables: [{ table: 'public.orders', status: 'captured' }],
  findings: [{ name: 'wal_level', status: 'ok', detail: 'logical' }],
}

const examine = (status: () => Promise<CdcStatus>): ReturnType<typeof examineChanges> =>
  examineChanges('raw.shop', { status } as CdcControl)

test('a log that is well is one line', async () => {
  expect(await examine(async () => well)).toEqual([
    { name: 'raw.shop', status: 'ok', detail: 'slot sluice_shop, ready' },
  ])
})

test('CD-14, CD-17, CD-23: what is missing, what waits for a person and what is late has a line each, with what to do', async () => {
  const status: CdcStatus = {
    ...well,
    lag: { bytes: 2 ** 30, keptBytes: 2 ** 31, level: 'alert' },
    tables: [{ table: 'public.orders', status: 'paused', detail: 'column "note" was dropped' }],
    findings: [
      { name: 'public.events', status: 'fail', detail: 'nothing names its rows', fix: 'ALTER TABLE …' },
      { name: 'disk', status: 'ok', detail: '20 GiB free' },
    ],
  }
  expect(await examine(async () => status)).toEqual([
    { name: 'raw.shop', status: 'fail', detail: 'public.events: nothing names its rows', fix: 'ALTER TABLE …' },
    {
      name: 'raw.shop',
      status: 'warn',
      detail: 'public.orders waits: column "note" was dropped',
      fix: 'sluice cdc accept raw.shop public.orders',
    },
    {
      name: 'raw.shop',
      status: 'warn',
      detail: '1024.0 MiB behind; the server keeps 2048.0 MiB for it',
      fix: 'sluice run',
    },
  ])
})

test('a server that cannot be asked is a finding, and the others are looked at', async () => {
  const [finding] = await examine(async () => {
    throw sluiceError('Source.StreamLost', { connection: 'oltp', why: 'the connection was closed' })
  })
  expect(finding).toMatchObject({ name: 'raw.shop', status: 'fail', detail: expect.stringContaining('oltp') })
})
