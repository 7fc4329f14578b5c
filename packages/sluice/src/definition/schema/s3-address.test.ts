import { expect, test } from 'vitest'
import { isOnS3, s3Address } from './s3-address.ts'

test.each([
  ['s3://shop', { bucket: 'shop', prefix: '' }],
  ['s3://shop/', { bucket: 'shop', prefix: '' }],
  ['s3://my.shop-1/lakes/a b/', { bucket: 'my.shop-1', prefix: 'lakes/a b' }],
  ['s3://shop/inbox/*.csv', { bucket: 'shop', prefix: 'inbox/*.csv' }],
  ['s3://', undefined],
  ['s3://a', undefined],
  ['s3://Shop/x', undefined],
  ['s3:///x', undefined],
  ['s3://shop/../other', undefined],
  ['s3://shop/a//b', undefined],
  ['lake', undefined],
])('%s is the place %j', (path, address) => {
  expect(s3Address(path)).toEqual(address)
  expect(isOnS3(path)).toBe(path.startsWith('s3://'))
})
