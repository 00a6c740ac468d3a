package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubernetes/pkg/fieldpath"
	volumeutil "k8s.io/kubernetes/pkg/volume/util"
)

// volumes writes a pod's volumes, and writes them again when what they show has changed.
type volumes struct {
	kube   kubernetes.Interface
	object *corev1.Pod
	dir    string
	// tokens are the ServiceAccount tokens that are still fresh, by volume and path.
	tokens map[string]token
}

type token struct {
	value string
	renew time.Time
}

// files is what a volume shows: contents by path.
type files map[string]volumeutil.FileProjection

// errUnsupported is said of a pod that the rig cannot run; waiting does not help it.
var errUnsupported = errors.New("the rig does not support this")

func (v *volumes) path(name string) string { return filepath.Join(v.dir, name) }

// write makes all volumes as they are to be now. An error that is not errUnsupported may pass.
func (v *volumes) write(ctx context.Context) error {
	for _, volume := range v.object.Spec.Volumes {
		dir := v.path(volume.Name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if volume.EmptyDir != nil {
			if err := os.Chmod(dir, 0o777); err != nil {
				return err
			}
			continue
		}
		content, err := v.content(ctx, volume)
		if err != nil {
			return fmt.Errorf("volume %s: %w", volume.Name, err)
		}
		writer, err := volumeutil.NewAtomicWriter(dir, v.object.Name)
		if err != nil {
			return err
		}
		if err := writer.Write(content, nil); err != nil {
			return fmt.Errorf("volume %s: %w", volume.Name, err)
		}
	}
	return nil
}

func (v *volumes) content(ctx context.Context, volume corev1.Volume) (files, error) {
	switch {
	case volume.Secret != nil:
		s := volume.Secret
		return v.secret(ctx, s.SecretName, s.Items, s.DefaultMode, s.Optional)
	case volume.ConfigMap != nil:
		c := volume.ConfigMap
		return v.configMap(ctx, c.Name, c.Items, c.DefaultMode, c.Optional)
	case volume.DownwardAPI != nil:
		return v.downward(volume.DownwardAPI.Items, volume.DownwardAPI.DefaultMode)
	case volume.Projected != nil:
		return v.projected(ctx, volume.Name, volume.Projected)
	}
	return nil, fmt.Errorf("%w: its type", errUnsupported)
}

func (v *volumes) projected(ctx context.Context, name string, from *corev1.ProjectedVolumeSource) (files, error) {
	all := files{}
	for _, source := range from.Sources {
		var part files
		var err error
		switch {
		case source.Secret != nil:
			part, err = v.secret(ctx, source.Secret.Name, source.Secret.Items, from.DefaultMode, source.Secret.Optional)
		case source.ConfigMap != nil:
			part, err = v.configMap(ctx, source.ConfigMap.Name, source.ConfigMap.Items, from.DefaultMode, source.ConfigMap.Optional)
		case source.DownwardAPI != nil:
			part, err = v.downward(source.DownwardAPI.Items, from.DefaultMode)
		case source.ServiceAccountToken != nil:
			part, err = v.token(ctx, name, source.ServiceAccountToken, from.DefaultMode)
		default:
			err = fmt.Errorf("%w: a source of a projected volume", errUnsupported)
		}
		if err != nil {
			return nil, err
		}
		maps.Copy(all, part)
	}
	return all, nil
}

func (v *volumes) secret(ctx context.Context, name string, items []corev1.KeyToPath, mode *int32, optional *bool) (files, error) {
	secret, err := v.kube.CoreV1().Secrets(v.object.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return files{}, unlessOptional(err, optional)
	}
	return project(secret.Data, items, mode, optional)
}

func (v *volumes) configMap(ctx context.Context, name string, items []corev1.KeyToPath, mode *int32, optional *bool) (files, error) {
	object, err := v.kube.CoreV1().ConfigMaps(v.object.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return files{}, unlessOptional(err, optional)
	}
	data := maps.Clone(object.BinaryData)
	if data == nil {
		data = map[string][]byte{}
	}
	for key, text := range object.Data {
		data[key] = []byte(text)
	}
	return project(data, items, mode, optional)
}

func unlessOptional(err error, optional *bool) error {
	if apierrors.IsNotFound(err) && optional != nil && *optional {
		return nil
	}
	return err
}

func project(data map[string][]byte, items []corev1.KeyToPath, mode *int32, optional *bool) (files, error) {
	shown := files{}
	if len(items) == 0 {
		for key, content := range data {
			shown[key] = volumeutil.FileProjection{Data: content, Mode: modeOf(nil, mode)}
		}
		return shown, nil
	}
	for _, item := range items {
		content, ok := data[item.Key]
		if !ok && (optional == nil || !*optional) {
			return nil, fmt.Errorf("there is no key %s", item.Key)
		}
		if ok {
			shown[item.Path] = volumeutil.FileProjection{Data: content, Mode: modeOf(item.Mode, mode)}
		}
	}
	return shown, nil
}

func modeOf(own, general *int32) int32 {
	switch {
	case own != nil:
		return *own
	case general != nil:
		return *general
	}
	return 0o644
}

func (v *volumes) downward(items []corev1.DownwardAPIVolumeFile, mode *int32) (files, error) {
	shown := files{}
	for _, item := range items {
		if item.FieldRef == nil {
			return nil, fmt.Errorf("%w: resourceFieldRef in a volume", errUnsupported)
		}
		text, err := fieldpath.ExtractFieldPathAsString(v.object, item.FieldRef.FieldPath)
		if err != nil {
			return nil, err
		}
		shown[item.Path] = volumeutil.FileProjection{Data: []byte(text), Mode: modeOf(item.Mode, mode)}
	}
	return shown, nil
}

// token gives a token of the pod's ServiceAccount, bound to the pod, and a new one when a fifth of its life is left.
func (v *volumes) token(ctx context.Context, volume string, from *corev1.ServiceAccountTokenProjection, mode *int32) (files, error) {
	key := volume + "/" + from.Path
	held := v.tokens[key]
	if time.Now().After(held.renew) {
		request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
			ExpirationSeconds: from.ExpirationSeconds,
			BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: v.object.Name, UID: v.object.UID},
		}}
		if from.Audience != "" {
			request.Spec.Audiences = []string{from.Audience}
		}
		asked := time.Now()
		answer, err := v.kube.CoreV1().ServiceAccounts(v.object.Namespace).CreateToken(ctx, v.object.Spec.ServiceAccountName, request, metav1.CreateOptions{})
		if err != nil {
			return nil, err
		}
		life := answer.Status.ExpirationTimestamp.Sub(asked)
		held = token{value: answer.Status.Token, renew: asked.Add(life * 4 / 5)}
		v.tokens[key] = held
	}
	return files{from.Path: {Data: []byte(held.value), Mode: modeOf(nil, mode)}}, nil
}
