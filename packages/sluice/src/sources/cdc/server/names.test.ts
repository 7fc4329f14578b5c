import { expect, test } from 'vitest'
import { noPlaces } from '../../../definition/problems/places.ts'
import { resolvePipeline } from '../../../definition/resolve.ts'
import type { CdcSource } from '../../../definition/types.ts'
import { settledNames } from './names.ts'

function source(options: { slot?: string; publication?: string } = {}, project = 'Web-Shop'): CdcSource {
  const raw = {
    name: 'p',
    sources: { Erp: { kind: 'cdc', connection: 'erp', tables: ['public.t'], ...options } },
  }
  const { pipeline } = resolvePipeline(raw, { places: noPlaces('pipeline.ts'), sqlFiles: [], project })
  return pipeline!.sources['Erp'] as CdcSource
}
const named = (...args: Parameters<typeof settledNames>) => {
  const { slot, publication } = settledNames(...args)
  return { slot, publication }
}
const both = (name: string) => ({ slot: name, publication: name })

test('default names have the project in them, so that two projects of one server do not meet; what is given is left as it is', () => {
  expect(source()).toMatchObject(both('sluice_web_shop_erp'))
  expect(source({ slot: 'mine', publication: 'Mine' })).toMatchObject({ slot: 'mine', publication: 'Mine' })
  expect(source({ slot: 'mine', publication: 'Mine' })).not.toHaveProperty('formerNames')
  const [long, longer] = ['x'.repeat(80), 'x'.repeat(81)].map((project) => source({}, project).slot)
  expect(long).toMatch(/^sluice_x{47}_[0-9a-f]{8}$/)
  expect(longer).not.toBe(long)
})

test('a log that began under the former default names goes on with them; another has the new ones', () => {
  expect(named(source(), undefined, undefined)).toEqual(both('sluice_web_shop_erp'))
  expect(named(source(), { slot: 'sluice_erp' }, undefined)).toEqual({ slot: 'sluice_erp', publication: 'sluice_Erp' })
  // Interrupted before its first version.
  const mark = { slot: 'sluice_erp' }
  expect(named(source(), undefined, mark)).toEqual({ slot: 'sluice_erp', publication: 'sluice_Erp' })
  expect(named(source(), undefined, { ...mark, isDropped: true })).toEqual(both('sluice_web_shop_erp'))
  // Only the publication had a default name.
  expect(named(source({ slot: 'mine' }), { slot: 'mine' }, undefined)).toEqual({
    slot: 'mine',
    publication: 'sluice_Erp',
  })
  const since = { slot: 'sluice_web_shop_erp', publication: 'sluice_web_shop_erp' }
  expect(named(source(), since, undefined)).toEqual(since)
  expect(named(source({ publication: 'other' }), { slot: 'sluice_erp' }, undefined)).toEqual({
    ...{ slot: 'sluice_erp', publication: 'other' },
  })
})
