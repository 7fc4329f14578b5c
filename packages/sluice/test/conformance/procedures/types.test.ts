/** SR-06, PR-1: every type × edge values, both ways, under four time zones, none altered. */
import { afterAll, expect, test } from 'vitest'
import { callOf, given, hear } from './server.ts'
import { onEachServer } from './servers.ts'

const zones = ['UTC', 'America/New_York', 'Asia/Kolkata', 'Pacific/Apia']
const ownZone = process.env.TZ
afterAll(() => {
  if (ownZone === undefined) delete process.env.TZ
  else process.env.TZ = ownZone
})

await onEachServer('types', (start, { connector }) => {
  const signal = new AbortController().signal

  for (const zone of zones) {
    test(`SR-06, SR-14: values come as they are stored, in ${zone}`, async () => {
      const { settings, types } = await start()
      process.env.TZ = zone
      await using connection = await connector.connect(settings, signal)
      for (const [index, { declared, serverType = declared, type, values }] of types.entries()) {
        const { sets } = await hear(connection, callOf(`types_${index}`))
        expect(sets[0]?.columns, declared).toMatchObject([{ name: 'value', serverType, type }])
        expect(sets[0]?.rows, declared).toEqual([...values.map((value) => [value]), [null]])
      }
    })

    test(`SR-06, SR-14: values arrive as they are given, in ${zone}`, async () => {
      const { settings, types, parameter } = await start()
      process.env.TZ = zone
      await using connection = await connector.connect(settings, signal)
      for (const [index, { declared, type, values }] of types.entries()) {
        for (const value of [...values, null]) {
          const parameters = [given(parameter('value'), value, type)]
          const { sets } = await hear(connection, callOf(`echo_${index}`, { parameters }))
          expect(sets[0]?.rows, declared).toEqual([[value]])
        }
      }
    })
  }
})
