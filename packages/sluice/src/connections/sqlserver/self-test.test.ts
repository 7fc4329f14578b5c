import { expect, test } from 'vitest'
import { known, runSelfTest } from './self-test.ts'

const connections = { createTokenStreamParser() {} }
const context = { connection: 'erp', codePage: () => 'CP1252' }
const versions = { found: '99.0.0', expected: '19.2.2' }

test('SR-06: the test at start passes, with each value cut in two', async () => {
  await expect(runSelfTest(context, connections, versions)).resolves.toBeUndefined()
})

test.each(known.map((entry, i) => [entry[0], i] as const))(
  'SR-06: a decoder that alters a %s is found',
  async (type, i) => {
    const altered = known.map((entry, at) => (at === i ? ([...entry.slice(0, 3), `${entry[3]} `] as const) : entry))
    await expect(runSelfTest(context, connections, versions, altered as unknown as typeof known)).rejects.toMatchObject(
      {
        name: 'Connection.DriverChanged',
        params: { found: '99.0.0', expected: '19.2.2', why: expect.stringMatching(new RegExp(`^${type} gave `)) },
      },
    )
  },
)

test('SR-06: a driver without the places that the decoder needs is refused', async () => {
  const changed = { name: 'Connection.DriverChanged', exit: 2 }
  await expect(runSelfTest(context, {}, versions)).rejects.toMatchObject(changed)
  await expect(runSelfTest({ ...context, codePage: () => 'CP1250' }, connections, versions)).rejects.toMatchObject(
    changed,
  )
})
