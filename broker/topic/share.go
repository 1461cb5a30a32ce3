package topic

// sharePrefix begins the filter of a Shared Subscription: v5 [MQTT-4.8.2-1].
// MQTT 3.1.1 knows none; we give its clients the same.
const sharePrefix = "$share/"

// ParseShared splits the filter of a Shared Subscription into its ShareName
// and the Topic Filter behind it. For any other filter shared is false, group
// is empty and rest is filter. The errors are ErrShareName and ErrShareFilter;
// the remaining rules are ValidateFilter's.
func ParseShared(filter string) (group, rest string, shared bool, err error) {
	if !isShare(filter) {
		return "", filter, false, nil
	}
	end, err := shareName(filter)
	if err != nil {
		return "", "", true, err
	}
	return filter[len(sharePrefix):end], filter[end+1:], true, nil
}

func isShare[T Text](b T) bool {
	if len(b) < len(sharePrefix) {
		return false
	}
	for i := range len(sharePrefix) {
		if b[i] != sharePrefix[i] {
			return false
		}
	}
	return true
}

// shareName returns where the ShareName of b, which begins with sharePrefix,
// ends. b[end] is the '/' behind it and b[end+1:] the Topic Filter.
func shareName[T Text](b T) (end int, err error) {
	end = len(sharePrefix)
	for end < len(b) && b[end] != '/' {
		if b[end] == '+' || b[end] == '#' {
			return 0, ErrShareName // v5 [MQTT-4.8.2-2]
		}
		end++
	}
	if end == len(sharePrefix) {
		return 0, ErrShareName // v5 [MQTT-4.8.2-1]: at least one character
	}
	if end+1 >= len(b) {
		return 0, ErrShareFilter // v5 [MQTT-4.8.2-2]: followed by '/' and a Topic Filter
	}
	return end, nil
}
